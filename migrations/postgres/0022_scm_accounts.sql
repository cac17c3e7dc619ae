-- Accounts at forges that people and service accounts have linked.
CREATE TABLE scm_account (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    member_id UUID NOT NULL REFERENCES member (id),
    scm_type TEXT COLLATE "C" NOT NULL,
    -- scheme://host[:port]: what the token is bound to.
    origin TEXT COLLATE "C" NOT NULL,
    -- The path below it where the forge lives; empty for the root.
    base_path TEXT COLLATE "C" NOT NULL,
    -- Who the owner is at the forge.
    uid TEXT COLLATE "C" NOT NULL,
    username TEXT COLLATE "C" NOT NULL,
    email TEXT COLLATE "C",
    avatar_url TEXT COLLATE "C",
    profile_url TEXT COLLATE "C" NOT NULL,
    -- A record of the keyring, bound to member, account and origin.
    access_token BYTEA NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (member_id, scm_type, origin)
);
CREATE INDEX scm_account_member_page ON scm_account (member_id, id);
