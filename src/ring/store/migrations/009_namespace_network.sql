-- The settings of its network, as JSON; null: none is set.
ALTER TABLE namespace ADD COLUMN network TEXT;
