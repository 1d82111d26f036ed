-- A link also says where a write to its record stands, and may have no id yet. In a link from before there is one.
ALTER TABLE links ADD COLUMN has_id INTEGER NOT NULL DEFAULT 1;
-- Counts the changes, as that of an item does.
ALTER TABLE links ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
-- All but the id, which is in `there`. Records that are only linked have none.
ALTER TABLE links ADD COLUMN rest TEXT;
