-- The agent that was asked last to renew the token: what a forge gave may be in its memory alone.
ALTER TABLE host_token_refresh ADD COLUMN asked_by UUID;
-- The only agent that a call is offered to; NULL: any.
ALTER TABLE live_call ADD COLUMN meant_for UUID;
