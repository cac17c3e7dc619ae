-- Public SSH keys of people and service accounts.
CREATE TABLE ssh_key (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    member_id BLOB NOT NULL REFERENCES member (id),
    name TEXT NOT NULL,
    content TEXT NOT NULL,
    -- SHA256:.., of the key without its comment.
    fingerprint TEXT NOT NULL,
    md5_fingerprint TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (member_id, fingerprint)
) STRICT;
CREATE INDEX ssh_key_member_page ON ssh_key (member_id, id);
