CREATE TABLE runner (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    creator_id BLOB NOT NULL REFERENCES member (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    provider TEXT NOT NULL,
    -- Settings without secrets, JSON.
    configuration TEXT NOT NULL,
    -- Sealed to the runner, and the key it is sealed with.
    honeycomb_key BLOB,
    honeycomb_kid TEXT,
    -- Sealed at rest with the server's keyring.
    metrics_password BLOB,
    -- Whether a key of it was ever ACTIVE.
    registered INTEGER NOT NULL,
    -- Counts the changes of anything the runner sees; the row's lock makes its order the commit order.
    revision INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX runner_page ON runner (organization_id, id);
CREATE INDEX runner_creator_page ON runner (creator_id, id);
