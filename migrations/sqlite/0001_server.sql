-- What belongs to the database itself: its history's id, and the keyring for secrets the server uses.
CREATE TABLE server (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE keyring (
    key_id INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('ACTIVE', 'DECRYPT_ONLY', 'RETIRED')),
    wrapped_seed BLOB NOT NULL,
    root_fingerprint TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX keyring_active ON keyring (state) WHERE state = 'ACTIVE';
