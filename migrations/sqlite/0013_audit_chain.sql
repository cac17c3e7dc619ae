-- The audit log is written once: whoever wants to change it has to take these triggers away first.
CREATE TRIGGER audit_entry_stays BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_entry_remains BEFORE DELETE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE INDEX audit_entry_page ON audit_entry (organization_id, id);
CREATE INDEX audit_entry_object_page ON audit_entry (organization_id, object, id);

-- Entry number `sequence` of an organization's chain, from 1. The MAC covers the entry and the MAC before it, so
-- the tables themselves need no reference: whatever was moved or removed does not verify.
CREATE TABLE audit_link (
    organization_id BLOB NOT NULL REFERENCES organization (id),
    sequence INTEGER NOT NULL,
    entry_id BLOB NOT NULL UNIQUE,
    -- The keyring's seed that the MAC's key comes from.
    key_id INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (organization_id, sequence)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_link_stays BEFORE UPDATE ON audit_link
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_link_remains BEFORE DELETE ON audit_link
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- What is to be chained. A queue and not a high-water mark, because entries are committed in another order than
-- their ids were made in.
CREATE TABLE audit_pending (
    organization_id BLOB NOT NULL,
    entry_id BLOB NOT NULL,
    PRIMARY KEY (organization_id, entry_id)
) STRICT, WITHOUT ROWID;
INSERT INTO audit_pending (organization_id, entry_id) SELECT organization_id, id FROM audit_entry;
CREATE TRIGGER audit_entry_waits AFTER INSERT ON audit_entry
BEGIN INSERT INTO audit_pending (organization_id, entry_id) VALUES (NEW.organization_id, NEW.id); END;

-- Who does a background job. `fence` grows with every change of hands, and a job's writes name the one they were
-- prepared under: a holder that lost its lease without noticing writes nothing.
CREATE TABLE job_lease (
    name TEXT PRIMARY KEY,
    holder BLOB NOT NULL,
    fence INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
