-- When the runtime made the instance, exactly: a listing may tell whole seconds only.
ALTER TABLE instance ADD COLUMN born TEXT;
