-- The audit log is written once: whoever wants to change it has to take these triggers away first.
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_entry_stays BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_entry_remains BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE INDEX audit_entry_page ON audit_entry (organization_id, id);
CREATE INDEX audit_entry_object_page ON audit_entry (organization_id, object, id);

-- Entry number `sequence` of an organization's chain, from 1. The MAC covers the entry and the MAC before it, so
-- the tables themselves need no reference: whatever was moved or removed does not verify.
CREATE TABLE audit_link (
    organization_id UUID NOT NULL REFERENCES organization (id),
    sequence BIGINT NOT NULL,
    entry_id UUID NOT NULL UNIQUE,
    -- The keyring's seed that the MAC's key comes from.
    key_id BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (organization_id, sequence)
);
CREATE TRIGGER audit_link_stays BEFORE UPDATE OR DELETE ON audit_link
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_link_remains BEFORE TRUNCATE ON audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- What is to be chained. A queue and not a high-water mark, because entries are committed in another order than
-- their ids were made in.
CREATE TABLE audit_pending (
    organization_id UUID NOT NULL,
    entry_id UUID NOT NULL,
    PRIMARY KEY (organization_id, entry_id)
);
INSERT INTO audit_pending (organization_id, entry_id) SELECT organization_id, id FROM audit_entry;
CREATE FUNCTION audit_entry_waits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending (organization_id, entry_id) VALUES (NEW.organization_id, NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_entry_waits AFTER INSERT ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_waits();

-- Who does a background job. `fence` grows with every change of hands, and a job's writes name the one they were
-- prepared under: a holder that lost its lease without noticing writes nothing.
CREATE TABLE job_lease (
    name TEXT COLLATE "C" PRIMARY KEY,
    holder UUID NOT NULL,
    fence BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
