-- Volumes that a runtime made for one instance alone: whoever removes it by hand may leave them.
-- No reference to the deployment: they may outlive it.
CREATE TABLE anonymous_volume (
  runtime TEXT NOT NULL,
  name TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  PRIMARY KEY (runtime, name)
) WITHOUT ROWID;
