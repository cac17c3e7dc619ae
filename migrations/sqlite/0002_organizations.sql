-- Times are microseconds since 1970-01-01T00:00:00Z, ids are UUIDs version 7.
CREATE TABLE organization (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE member (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    fullname TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('ADMIN', 'MEMBER')),
    disabled_at INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (organization_id, name)
) STRICT;
CREATE INDEX member_page ON member (organization_id, id);
