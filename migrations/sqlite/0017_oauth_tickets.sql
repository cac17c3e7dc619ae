-- Flows that connect a user's account at a forge. Of every secret only its SHA-256 is kept.
CREATE TABLE oauth_ticket (
    -- What the sealed verifier is bound to.
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    member_id BLOB NOT NULL REFERENCES member (id),
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    integration_id BLOB NOT NULL,
    -- What the start page's address ends with.
    ticket_hash BLOB NOT NULL UNIQUE,
    -- From here on the flow belongs to one browser: its cookie, and the state the forge returns.
    cookie_hash BLOB,
    state_hash BLOB UNIQUE,
    -- The PKCE verifier, sealed to the runner.
    verifier BLOB,
    verifier_kid TEXT,
    expires_at INTEGER NOT NULL,
    -- When the code came back; once.
    finished_at INTEGER
) STRICT;
CREATE INDEX oauth_ticket_expiry ON oauth_ticket (expires_at);
