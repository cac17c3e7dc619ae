-- Of a token only its public id and the SHA-256 of its secret are kept.
CREATE TABLE token (
    token_id TEXT PRIMARY KEY,
    -- Orders the list.
    id BLOB NOT NULL UNIQUE,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    kind TEXT NOT NULL CHECK (kind IN ('ADMIN', 'PERSONAL', 'RUNNER', 'EXCHANGE')),
    -- Exactly one of the two is whom the token acts as.
    member_id BLOB REFERENCES member (id),
    runner_id BLOB REFERENCES runner (id) ON DELETE CASCADE,
    secret_hash BLOB NOT NULL,
    description TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER,
    CHECK ((member_id IS NULL) <> (runner_id IS NULL))
) STRICT;
CREATE INDEX token_page ON token (organization_id, id);
CREATE INDEX token_member_page ON token (member_id, id);
CREATE INDEX token_runner ON token (runner_id);
