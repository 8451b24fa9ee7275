-- What containers show of their health, and how many failures in a row there were for it.
ALTER TABLE probe_state ADD COLUMN health TEXT NOT NULL DEFAULT 'starting';
ALTER TABLE probe_state ADD COLUMN streak INTEGER NOT NULL DEFAULT 0;
UPDATE probe_state SET streak = failures;
UPDATE probe_state SET health = 'healthy' WHERE status = 'success';
