-- Access to language models. API keys and header values are in sealed_secret.
CREATE TABLE llm_integration (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    runner_id UUID NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    -- The runner's creator, who never changes: a member's list is one walk along an index.
    creator_id UUID NOT NULL,
    -- JSON arrays: the models' numbers in the public API; the headers' names and types.
    models TEXT COLLATE "C" NOT NULL,
    headers TEXT COLLATE "C" NOT NULL,
    endpoint TEXT COLLATE "C" NOT NULL,
    max_tokens BIGINT NOT NULL,
    -- Switched off by an administrator.
    disabled BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX llm_integration_runner_page ON llm_integration (runner_id, id);
CREATE INDEX llm_integration_page ON llm_integration (organization_id, id);
CREATE INDEX llm_integration_creator_page ON llm_integration (creator_id, id);
