CREATE TABLE runner_key (
    -- Orders the list.
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    runner_id UUID NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    kid TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'ACTIVE', 'RETIRING', 'RETIRED', 'REVOKED')),
    algorithm TEXT NOT NULL CHECK (algorithm IN ('RSA', 'X25519')),
    bits BIGINT NOT NULL,
    public_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    activated_at BIGINT,
    revoked_at BIGINT,
    revocation_reason TEXT NOT NULL,
    UNIQUE (organization_id, kid)
);
CREATE UNIQUE INDEX runner_key_active ON runner_key (runner_id) WHERE state = 'ACTIVE';
CREATE INDEX runner_key_page ON runner_key (runner_id, id);

-- Outlives the runner: a revoked key is refused for ever.
CREATE TABLE revoked_key (
    organization_id UUID NOT NULL REFERENCES organization (id),
    kid TEXT COLLATE "C" NOT NULL,
    revoked_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, kid)
);

-- Of the expected answers only their SHA-256 is kept.
CREATE TABLE key_registration (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    runner_id UUID NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    kid TEXT COLLATE "C" NOT NULL,
    algorithm TEXT NOT NULL,
    bits BIGINT NOT NULL,
    public_key BYTEA NOT NULL,
    answer_new_hash BYTEA NOT NULL,
    answer_old_hash BYTEA,
    old_kid TEXT COLLATE "C",
    wrong_answers BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX key_registration_runner ON key_registration (runner_id);
