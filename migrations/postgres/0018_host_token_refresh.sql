-- Host tokens that can be renewed, and when that is to be tried next.
CREATE TABLE host_token_refresh (
    host_token_id UUID PRIMARY KEY REFERENCES host_token (id) ON DELETE CASCADE,
    runner_id UUID NOT NULL,
    -- Also the end of the lease of whoever tries it now.
    due_at BIGINT NOT NULL,
    -- How often it was tried since the token last changed.
    attempts BIGINT NOT NULL,
    -- The call that tried it last.
    call_id UUID
);
CREATE INDEX host_token_refresh_due ON host_token_refresh (due_at);
CREATE INDEX host_token_refresh_call ON host_token_refresh (call_id) WHERE call_id IS NOT NULL;

INSERT INTO host_token_refresh (host_token_id, runner_id, due_at, attempts)
SELECT t.id, t.runner_id, t.expires_at - 300000000, 0 FROM host_token t
JOIN sealed_secret s ON s.sub = t.id AND s.field = 'host_token.refresh' AND s.name = ''
WHERE t.source = 'OAUTH' AND t.expires_at IS NOT NULL AND s.sealed IS NOT NULL;
