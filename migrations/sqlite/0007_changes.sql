-- Every change of anything a runner sees, in the change's own transaction.
CREATE TABLE configuration_change (
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    operation TEXT NOT NULL CHECK (operation IN ('PUT', 'DELETE')),
    object_kind TEXT NOT NULL,
    object_id BLOB NOT NULL,
    PRIMARY KEY (runner_id, revision)
) STRICT, WITHOUT ROWID;

-- Every change of anything, in the change's own transaction. Never a secret.
CREATE TABLE audit_entry (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    at INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id BLOB NOT NULL,
    token_id TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT, WITHOUT ROWID;
