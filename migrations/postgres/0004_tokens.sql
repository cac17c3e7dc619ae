-- Of a token only its public id and the SHA-256 of its secret are kept.
CREATE TABLE token (
    token_id TEXT COLLATE "C" PRIMARY KEY,
    -- Orders the list.
    id UUID NOT NULL UNIQUE,
    organization_id UUID NOT NULL REFERENCES organization (id),
    kind TEXT NOT NULL CHECK (kind IN ('ADMIN', 'PERSONAL', 'RUNNER', 'EXCHANGE')),
    -- Exactly one of the two is whom the token acts as.
    member_id UUID REFERENCES member (id),
    runner_id UUID REFERENCES runner (id) ON DELETE CASCADE,
    secret_hash BYTEA NOT NULL,
    description TEXT NOT NULL,
    read_only BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    CHECK ((member_id IS NULL) <> (runner_id IS NULL))
);
CREATE INDEX token_page ON token (organization_id, id);
CREATE INDEX token_member_page ON token (member_id, id);
CREATE INDEX token_runner ON token (runner_id);
