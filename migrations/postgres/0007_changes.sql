-- Every change of anything a runner sees, in the change's own transaction.
CREATE TABLE configuration_change (
    runner_id UUID NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    operation TEXT NOT NULL CHECK (operation IN ('PUT', 'DELETE')),
    object_kind TEXT NOT NULL,
    object_id UUID NOT NULL,
    PRIMARY KEY (runner_id, revision)
);

-- Every change of anything, in the change's own transaction. Never a secret.
CREATE TABLE audit_entry (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID NOT NULL,
    token_id TEXT COLLATE "C" NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    details TEXT NOT NULL
);
