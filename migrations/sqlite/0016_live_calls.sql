-- Questions that only a live agent can answer: rows, so that any server offers them and any server is answered.
CREATE TABLE live_call (
    id BLOB PRIMARY KEY,
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    -- Whether it may be offered again.
    once INTEGER NOT NULL,
    -- Sealed at rest with the server's keyring; wiped when it is answered.
    request BLOB,
    -- How often it was offered, last to whom and when.
    attempt INTEGER NOT NULL,
    claimed_by BLOB,
    claimed_at INTEGER,
    -- When nobody waits any more.
    deadline INTEGER NOT NULL,
    answered_at INTEGER,
    -- Sealed at rest; wiped when it is taken.
    answer BLOB
) STRICT;
CREATE INDEX live_call_open ON live_call (runner_id, id) WHERE answered_at IS NULL;
CREATE INDEX live_call_deadline ON live_call (deadline);
