-- Questions that only a live agent can answer: rows, so that any server offers them and any server is answered.
CREATE TABLE live_call (
    id UUID PRIMARY KEY,
    runner_id UUID NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    -- Whether it may be offered again.
    once BOOLEAN NOT NULL,
    -- Sealed at rest with the server's keyring; wiped when it is answered.
    request BYTEA,
    -- How often it was offered, last to whom and when.
    attempt BIGINT NOT NULL,
    claimed_by UUID,
    claimed_at BIGINT,
    -- When nobody waits any more.
    deadline BIGINT NOT NULL,
    answered_at BIGINT,
    -- Sealed at rest; wiped when it is taken.
    answer BYTEA
);
CREATE INDEX live_call_open ON live_call (runner_id, id) WHERE answered_at IS NULL;
CREATE INDEX live_call_deadline ON live_call (deadline);
