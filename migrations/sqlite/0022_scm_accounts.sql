-- Accounts at forges that people and service accounts have linked.
CREATE TABLE scm_account (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    member_id BLOB NOT NULL REFERENCES member (id),
    scm_type TEXT NOT NULL,
    -- scheme://host[:port]: what the token is bound to.
    origin TEXT NOT NULL,
    -- The path below it where the forge lives; empty for the root.
    base_path TEXT NOT NULL,
    -- Who the owner is at the forge.
    uid TEXT NOT NULL,
    username TEXT NOT NULL,
    email TEXT,
    avatar_url TEXT,
    profile_url TEXT NOT NULL,
    -- A record of the keyring, bound to member, account and origin.
    access_token BLOB NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (member_id, scm_type, origin)
) STRICT;
CREATE INDEX scm_account_member_page ON scm_account (member_id, id);
