-- Classes are never deleted, only disabled.
CREATE TABLE environment_class (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    -- The runner's creator, who never changes: a member's list is one walk along an index.
    creator_id BLOB NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- Settings by the ids of the runner's schema, JSON.
    configuration TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX environment_class_page ON environment_class (organization_id, id);
CREATE INDEX environment_class_runner_page ON environment_class (runner_id, id);
CREATE INDEX environment_class_creator_page ON environment_class (creator_id, id);

-- What a runner says it can be configured with; no row before it said anything.
CREATE TABLE runner_schema (
    runner_id BLOB PRIMARY KEY REFERENCES runner (id) ON DELETE CASCADE,
    -- JSON.
    content TEXT NOT NULL,
    reported_at INTEGER NOT NULL
) STRICT;
-- The SCM ids of that schema as `,github,gitlab,`, where what creates integrations finds them.
ALTER TABLE runner ADD COLUMN offered_scms TEXT;
