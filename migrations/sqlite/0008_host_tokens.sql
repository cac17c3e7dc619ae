-- Users' credentials at forges, without the credentials: those are in sealed_secret.
CREATE TABLE host_token (
    id BLOB NOT NULL PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organization (id),
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    -- The runner's creator, who never changes: a member's list is one walk along an index.
    creator_id BLOB NOT NULL,
    host TEXT NOT NULL,
    -- The host in lower case.
    host_key TEXT NOT NULL,
    -- Whose credential it is.
    principal TEXT NOT NULL CHECK (principal IN ('USER', 'SERVICE_ACCOUNT')),
    subject_id BLOB NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('OAUTH', 'PAT')),
    -- The integration it came by; NULL if nobody said. Goes with it.
    integration_id BLOB,
    -- JSON array of texts.
    scopes TEXT NOT NULL,
    expires_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (runner_id, host_key, subject_id)
) STRICT;
CREATE INDEX host_token_runner_page ON host_token (runner_id, id);
CREATE INDEX host_token_page ON host_token (organization_id, id);
CREATE INDEX host_token_creator_page ON host_token (creator_id, id);
CREATE INDEX host_token_subject_page ON host_token (organization_id, subject_id, id);

-- Ciphertexts of things that have several, each under its own key. SCM integrations and runners keep their one
-- beside them; for those a row here only says that it was wiped.
CREATE TABLE sealed_secret (
    -- Orders lists.
    id BLOB NOT NULL PRIMARY KEY,
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    -- What it belongs to, which secret of it, and the name where there are several of a kind.
    sub BLOB NOT NULL,
    field TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The key it is sealed with; NULL if it was wiped with its key and is to be entered again.
    kid TEXT,
    sealed BLOB,
    version INTEGER NOT NULL,
    CHECK ((kid IS NULL) = (sealed IS NULL)),
    UNIQUE (sub, field, name)
) STRICT;
CREATE INDEX sealed_secret_page ON sealed_secret (runner_id, id);
CREATE INDEX sealed_secret_kid ON sealed_secret (runner_id, kid);

-- A deleted credential is known to agents by host and subject.
ALTER TABLE configuration_change ADD COLUMN host TEXT;
ALTER TABLE configuration_change ADD COLUMN subject_id BLOB;
