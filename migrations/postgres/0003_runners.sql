CREATE TABLE runner (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    creator_id UUID NOT NULL REFERENCES member (id),
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    provider TEXT NOT NULL,
    -- Settings without secrets, JSON.
    configuration TEXT NOT NULL,
    -- Sealed to the runner, and the key it is sealed with.
    honeycomb_key BYTEA,
    honeycomb_kid TEXT COLLATE "C",
    -- Sealed at rest with the server's keyring.
    metrics_password BYTEA,
    -- Whether a key of it was ever ACTIVE.
    registered BOOLEAN NOT NULL,
    -- Counts the changes of anything the runner sees; the row's lock makes its order the commit order.
    revision BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX runner_page ON runner (organization_id, id);
CREATE INDEX runner_creator_page ON runner (creator_id, id);
