-- What a flow stands on: the token that asked for it, and the OAuth app it asks the forge for.
ALTER TABLE oauth_ticket ADD COLUMN token_id TEXT NOT NULL DEFAULT '';
ALTER TABLE oauth_ticket ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE oauth_ticket ADD COLUMN issuer_url TEXT NOT NULL DEFAULT '';
-- How often it was written down that the flow failed: whoever has a link must not fill the audit log.
ALTER TABLE oauth_ticket ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;

-- Written to and emptied again to find out whether there is room on the disk, once there was none.
CREATE TABLE write_probe (
    id BLOB PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

-- Open streams hear of these. An exchange token is revoked by its use.
CREATE INDEX token_revoked ON token (revoked_at) WHERE revoked_at IS NOT NULL AND kind <> 'EXCHANGE';
