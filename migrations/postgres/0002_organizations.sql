-- Times are microseconds since 1970-01-01T00:00:00Z, ids are UUIDs version 7.
CREATE TABLE organization (
    id UUID PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE member (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    name TEXT COLLATE "C" NOT NULL,
    email TEXT NOT NULL,
    fullname TEXT COLLATE "C" NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('ADMIN', 'MEMBER')),
    disabled_at BIGINT,
    created_at BIGINT NOT NULL,
    UNIQUE (organization_id, name)
);
CREATE INDEX member_page ON member (organization_id, id);
