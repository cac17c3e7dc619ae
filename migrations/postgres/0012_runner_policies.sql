-- What the members of a group may do with a runner, besides its creator and the organization's administrators.
CREATE TABLE runner_policy (
    -- Orders the list.
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    runner_id UUID NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    group_id UUID NOT NULL REFERENCES member_group (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('ADMIN', 'USER')),
    -- What a member may do is found from its groups.
    UNIQUE (group_id, runner_id)
);
CREATE INDEX runner_policy_page ON runner_policy (runner_id, id);
