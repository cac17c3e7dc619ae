-- Access to language models. API keys and header values are in sealed_secret.
CREATE TABLE llm_integration (
    id BLOB NOT NULL PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    -- The runner's creator, who never changes: a member's list is one walk along an index.
    creator_id BLOB NOT NULL,
    -- JSON arrays: the models' numbers in the public API; the headers' names and types.
    models TEXT NOT NULL,
    headers TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    max_tokens INTEGER NOT NULL,
    -- Switched off by an administrator.
    disabled INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX llm_integration_runner_page ON llm_integration (runner_id, id);
CREATE INDEX llm_integration_page ON llm_integration (organization_id, id);
CREATE INDEX llm_integration_creator_page ON llm_integration (creator_id, id);
