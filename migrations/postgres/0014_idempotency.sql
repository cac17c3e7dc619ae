-- Which create a key has made, written by the create itself. A row that is not there was not made.
CREATE TABLE idempotency (
    -- The audit entry of the create.
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    -- Keys of two principals, or of two methods, have nothing to do with each other.
    principal_id UUID NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    idempotency_key TEXT COLLATE "C" NOT NULL,
    -- What was asked for, as a MAC under a key of the keyring's seed `key_id`: it may hold secrets.
    key_id BIGINT NOT NULL,
    request_mac BYTEA NOT NULL,
    -- What was made, as the audit log names it.
    object TEXT COLLATE "C" NOT NULL,
    -- With its runner everything that was made for it goes.
    runner_id UUID REFERENCES runner (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL,
    UNIQUE (principal_id, method, idempotency_key)
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
CREATE INDEX idempotency_runner ON idempotency (runner_id);
