-- Which create a key has made, written by the create itself. A row that is not there was not made.
CREATE TABLE idempotency (
    -- The audit entry of the create.
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    -- Keys of two principals, or of two methods, have nothing to do with each other.
    principal_id BLOB NOT NULL,
    method TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    -- What was asked for, as a MAC under a key of the keyring's seed `key_id`: it may hold secrets.
    key_id INTEGER NOT NULL,
    request_mac BLOB NOT NULL,
    -- What was made, as the audit log names it.
    object TEXT NOT NULL,
    -- With its runner everything that was made for it goes.
    runner_id BLOB REFERENCES runner (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    UNIQUE (principal_id, method, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
CREATE INDEX idempotency_runner ON idempotency (runner_id);
