-- When a forge was last asked who an account's owner is there.
ALTER TABLE scm_account ADD COLUMN profiled_at BIGINT NOT NULL DEFAULT 0;
UPDATE scm_account SET profiled_at = updated_at;
