-- Every agent that was heard of lately.
CREATE TABLE agent (
    runner_id UUID NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    agent_id UUID NOT NULL,
    heartbeat_at BIGINT NOT NULL,
    -- The stream it takes calls from, and when a server last saw it open.
    stream_id UUID,
    stream_seen_at BIGINT NOT NULL,
    -- What is wrong with it; empty if nothing is.
    degradation TEXT NOT NULL,
    PRIMARY KEY (runner_id, agent_id)
);

-- What a runner's agents say of it, and the sum of its rows in `agent`.
CREATE TABLE runner_status (
    runner_id UUID PRIMARY KEY REFERENCES runner (id) ON DELETE CASCADE,
    -- When one of them was last known to live and to take calls.
    alive_at BIGINT,
    -- When one of them last lived with something wrong, and what it was.
    degraded_at BIGINT,
    message TEXT NOT NULL,
    -- JSON.
    report TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Sealed secrets that an agent could not use, as it said; only what is not OK.
CREATE TABLE secret_report (
    runner_id UUID NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    object_id UUID NOT NULL,
    field TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    kid TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('REJECTED', 'UNDECRYPTABLE')),
    reported_at BIGINT NOT NULL,
    PRIMARY KEY (runner_id, object_id, field, name)
);
