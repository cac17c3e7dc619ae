-- What belongs to the database itself: its history's id, and the keyring for secrets the server uses.
CREATE TABLE server (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    epoch UUID NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE keyring (
    key_id BIGINT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('ACTIVE', 'DECRYPT_ONLY', 'RETIRED')),
    wrapped_seed BYTEA NOT NULL,
    root_fingerprint TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX keyring_active ON keyring (state) WHERE state = 'ACTIVE';
