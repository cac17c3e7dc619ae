-- Service accounts are members without a login: what refers to a member may be a person or a machine.
ALTER TABLE member ADD COLUMN kind TEXT NOT NULL DEFAULT 'USER' CHECK (kind IN ('USER', 'SERVICE_ACCOUNT'));
ALTER TABLE member ADD COLUMN description TEXT COLLATE "C" NOT NULL DEFAULT '';

ALTER TABLE token DROP CONSTRAINT token_kind_check;
ALTER TABLE token ADD CONSTRAINT token_kind_check
    CHECK (kind IN ('ADMIN', 'PERSONAL', 'SERVICE_ACCOUNT', 'RUNNER', 'EXCHANGE', 'LOGS'));

CREATE TABLE member_group (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (organization_id, name)
);
CREATE INDEX member_group_page ON member_group (organization_id, id);

CREATE TABLE group_membership (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    group_id UUID NOT NULL REFERENCES member_group (id) ON DELETE CASCADE,
    member_id UUID NOT NULL REFERENCES member (id),
    created_at BIGINT NOT NULL,
    -- What a member may do is found from here.
    UNIQUE (member_id, group_id)
);
CREATE INDEX group_membership_page ON group_membership (group_id, id);
