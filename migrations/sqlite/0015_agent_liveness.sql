-- Every agent that was heard of lately.
CREATE TABLE agent (
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    agent_id BLOB NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    -- The stream it takes calls from, and when a server last saw it open.
    stream_id BLOB,
    stream_seen_at INTEGER NOT NULL,
    -- What is wrong with it; empty if nothing is.
    degradation TEXT NOT NULL,
    PRIMARY KEY (runner_id, agent_id)
) STRICT, WITHOUT ROWID;

-- What a runner's agents say of it, and the sum of its rows in `agent`.
CREATE TABLE runner_status (
    runner_id BLOB PRIMARY KEY REFERENCES runner (id) ON DELETE CASCADE,
    -- When one of them was last known to live and to take calls.
    alive_at INTEGER,
    -- When one of them last lived with something wrong, and what it was.
    degraded_at INTEGER,
    message TEXT NOT NULL,
    -- JSON.
    report TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sealed secrets that an agent could not use, as it said; only what is not OK.
CREATE TABLE secret_report (
    runner_id BLOB NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    object_id BLOB NOT NULL,
    field TEXT NOT NULL,
    name TEXT NOT NULL,
    kid TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('REJECTED', 'UNDECRYPTABLE')),
    reported_at INTEGER NOT NULL,
    PRIMARY KEY (runner_id, object_id, field, name)
) STRICT, WITHOUT ROWID;
