CREATE TABLE runner_key (
    -- Orders the list.
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    kid TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'ACTIVE', 'RETIRING', 'RETIRED', 'REVOKED')),
    algorithm TEXT NOT NULL CHECK (algorithm IN ('RSA', 'X25519')),
    bits INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    activated_at INTEGER,
    revoked_at INTEGER,
    revocation_reason TEXT NOT NULL,
    UNIQUE (organization_id, kid)
) STRICT;
CREATE UNIQUE INDEX runner_key_active ON runner_key (runner_id) WHERE state = 'ACTIVE';
CREATE INDEX runner_key_page ON runner_key (runner_id, id);

-- Outlives the runner: a revoked key is refused for ever.
CREATE TABLE revoked_key (
    organization_id BLOB NOT NULL REFERENCES organization (id),
    kid TEXT NOT NULL,
    revoked_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, kid)
) STRICT, WITHOUT ROWID;

-- Of the expected answers only their SHA-256 is kept.
CREATE TABLE key_registration (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    kid TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    bits INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    answer_new_hash BLOB NOT NULL,
    answer_old_hash BLOB,
    old_kid TEXT,
    wrong_answers INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX key_registration_runner ON key_registration (runner_id);
