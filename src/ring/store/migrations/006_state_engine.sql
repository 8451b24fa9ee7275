-- desired_replicas: what the autoscaler decided. drain_target: how many a rollout leaves of it.
ALTER TABLE deployment ADD COLUMN desired_replicas INTEGER;
ALTER TABLE deployment ADD COLUMN last_scaled_at TEXT;
ALTER TABLE deployment ADD COLUMN drain_target INTEGER;
-- Set by `ring deployment stop`: nothing is to run, and `replicas` stays as declared.
ALTER TABLE deployment ADD COLUMN stopped INTEGER NOT NULL DEFAULT 0;
-- Health restarts in a row without a healthy while in between.
ALTER TABLE deployment ADD COLUMN health_restarts INTEGER NOT NULL DEFAULT 0;
-- What made the row: a core.model.revision.Cause.
ALTER TABLE deployment ADD COLUMN cause TEXT NOT NULL DEFAULT 'apply';

-- Every accepted spec of a group, also of rows that are purged; they go with its last row.
-- spec is canonical JSON with a mark in place of the registry password, which is sealed beside it.
CREATE TABLE revision (
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  revision INTEGER NOT NULL,
  deployment_id TEXT NOT NULL,
  spec TEXT NOT NULL,
  password BLOB,
  author TEXT,
  cause TEXT NOT NULL,
  created_at TEXT NOT NULL,
  ready_at TEXT,
  PRIMARY KEY (namespace, name, revision)
) WITHOUT ROWID;

INSERT INTO revision (
  namespace, name, revision, deployment_id, spec, password, author, cause, created_at, ready_at
)
SELECT
  namespace, name, revision, id, spec, password, author, 'apply', created_at,
  CASE WHEN was_running THEN created_at END
FROM deployment WHERE status != 'deleted';

-- What the next probe of an instance builds on, so that a new server does not begin anew.
CREATE TABLE probe_state (
  instance_id TEXT NOT NULL,
  check_index INTEGER NOT NULL,
  deployment_id TEXT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
  status TEXT NOT NULL,
  failures INTEGER NOT NULL,
  ready_since TEXT,
  PRIMARY KEY (instance_id, check_index)
) WITHOUT ROWID;

CREATE INDEX probe_state_deployment ON probe_state (deployment_id);

-- Nobody asks for a result by its id, and an index of random ids costs a page for each result.
-- No version before this one has written any.
DROP TABLE health_check;
CREATE TABLE health_check (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  deployment_id TEXT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
  instance_id TEXT,
  check_index INTEGER NOT NULL DEFAULT 0,
  check_type TEXT NOT NULL,
  status TEXT NOT NULL,
  message TEXT,
  created_at TEXT NOT NULL,
  started_at TEXT NOT NULL,
  finished_at TEXT NOT NULL
);

CREATE INDEX health_check_deployment ON health_check (deployment_id, started_at DESC);
CREATE INDEX health_check_status ON health_check (status);
