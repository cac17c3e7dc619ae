-- Flows that connect a user's account at a forge. Of every secret only its SHA-256 is kept.
CREATE TABLE oauth_ticket (
    -- What the sealed verifier is bound to.
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    member_id UUID NOT NULL REFERENCES member (id),
    runner_id UUID NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    integration_id UUID NOT NULL,
    -- What the start page's address ends with.
    ticket_hash BYTEA NOT NULL UNIQUE,
    -- From here on the flow belongs to one browser: its cookie, and the state the forge returns.
    cookie_hash BYTEA,
    state_hash BYTEA UNIQUE,
    -- The PKCE verifier, sealed to the runner.
    verifier BYTEA,
    verifier_kid TEXT COLLATE "C",
    expires_at BIGINT NOT NULL,
    -- When the code came back; once.
    finished_at BIGINT
);
CREATE INDEX oauth_ticket_expiry ON oauth_ticket (expires_at);
