-- `record` is the whole integration, encoded by the store; the columns beside it are what queries need.
CREATE TABLE scm_integration (
    id BLOB NOT NULL,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    -- The runner's creator, who never changes: a member's list is one walk along an index.
    creator_id BLOB NOT NULL,
    scm_id TEXT NOT NULL,
    -- The host in lower case.
    host_key TEXT NOT NULL,
    -- The key the client secret is sealed with; NULL if there is no ciphertext.
    kid TEXT,
    version INTEGER NOT NULL,
    record BLOB NOT NULL,
    UNIQUE (id),
    UNIQUE (runner_id, scm_id, host_key)
) STRICT;
CREATE INDEX scm_integration_runner_page ON scm_integration (runner_id, id);
CREATE INDEX scm_integration_page ON scm_integration (organization_id, id);
CREATE INDEX scm_integration_creator_page ON scm_integration (creator_id, id);
