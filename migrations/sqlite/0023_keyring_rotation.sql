-- When a seed ceased to be ACTIVE: what was made with it and is stored nowhere ends a day later.
ALTER TABLE keyring ADD COLUMN demoted_at INTEGER;
-- When every record had been sealed again under it; until then its rotation is unfinished.
ALTER TABLE keyring ADD COLUMN resealed_at INTEGER;
