-- Public SSH keys of people and service accounts.
CREATE TABLE ssh_key (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    member_id UUID NOT NULL REFERENCES member (id),
    name TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    -- SHA256:.., of the key without its comment.
    fingerprint TEXT COLLATE "C" NOT NULL,
    md5_fingerprint TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (member_id, fingerprint)
);
CREATE INDEX ssh_key_member_page ON ssh_key (member_id, id);
