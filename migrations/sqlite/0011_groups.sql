-- Service accounts are members without a login: what refers to a member may be a person or a machine.
ALTER TABLE member ADD COLUMN kind TEXT NOT NULL DEFAULT 'USER' CHECK (kind IN ('USER', 'SERVICE_ACCOUNT'));
ALTER TABLE member ADD COLUMN description TEXT NOT NULL DEFAULT '';

-- The same table with more kinds: SQLite cannot change a CHECK.
CREATE TABLE token_with_more_kinds (
    token_id TEXT PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    kind TEXT NOT NULL CHECK (kind IN ('ADMIN', 'PERSONAL', 'SERVICE_ACCOUNT', 'RUNNER', 'EXCHANGE', 'LOGS')),
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
INSERT INTO token_with_more_kinds (token_id, id, organization_id, kind, member_id, runner_id, secret_hash,
    description, read_only, created_at, expires_at, last_used_at, revoked_at)
SELECT token_id, id, organization_id, kind, member_id, runner_id, secret_hash, description, read_only,
    created_at, expires_at, last_used_at, revoked_at
FROM token;
DROP TABLE token;
ALTER TABLE token_with_more_kinds RENAME TO token;
CREATE INDEX token_page ON token (organization_id, id);
CREATE INDEX token_member_page ON token (member_id, id);
CREATE INDEX token_runner ON token (runner_id);

CREATE TABLE member_group (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (organization_id, name)
) STRICT;
CREATE INDEX member_group_page ON member_group (organization_id, id);

CREATE TABLE group_membership (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    group_id BLOB NOT NULL REFERENCES member_group (id) ON DELETE CASCADE,
    member_id BLOB NOT NULL REFERENCES member (id),
    created_at INTEGER NOT NULL,
    -- What a member may do is found from here.
    UNIQUE (member_id, group_id)
) STRICT;
CREATE INDEX group_membership_page ON group_membership (group_id, id);
