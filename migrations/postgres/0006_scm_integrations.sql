-- `record` is the whole integration, encoded by the store; the columns beside it are what queries need.
CREATE TABLE scm_integration (
    id UUID NOT NULL,
    organization_id UUID NOT NULL REFERENCES organization (id),
    runner_id UUID NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    -- The runner's creator, who never changes: a member's list is one walk along an index.
    creator_id UUID NOT NULL,
    scm_id TEXT COLLATE "C" NOT NULL,
    -- The host in lower case.
    host_key TEXT COLLATE "C" NOT NULL,
    -- The key the client secret is sealed with; NULL if there is no ciphertext.
    kid TEXT COLLATE "C",
    version BIGINT NOT NULL,
    record BYTEA NOT NULL,
    UNIQUE (id),
    UNIQUE (runner_id, scm_id, host_key)
);
CREATE INDEX scm_integration_runner_page ON scm_integration (runner_id, id);
CREATE INDEX scm_integration_page ON scm_integration (organization_id, id);
CREATE INDEX scm_integration_creator_page ON scm_integration (creator_id, id);
