CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE namespace (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL,
  updated_at TEXT
);

-- seq keeps the order of creation. spec is canonical JSON; the columns before it repeat what
-- indexes need and what is left when the JSON is damaged.
CREATE TABLE deployment (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  runtime TEXT NOT NULL,
  image TEXT NOT NULL,
  replicas INTEGER NOT NULL,
  spec TEXT NOT NULL,
  spec_hash TEXT NOT NULL,
  revision INTEGER NOT NULL,
  author TEXT,
  parent_id TEXT,
  status TEXT NOT NULL,
  restart_count INTEGER NOT NULL DEFAULT 0,
  next_create_at TEXT,
  counted_death_at TEXT,
  halt_reason TEXT,
  retired_count INTEGER NOT NULL DEFAULT 0,
  was_running INTEGER NOT NULL DEFAULT 0,
  image_digest TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT,
  last_event_at TEXT,
  version INTEGER NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX deployment_active ON deployment (namespace, name)
  WHERE status != 'deleted' AND parent_id IS NULL;

CREATE INDEX deployment_group ON deployment (namespace, name);

-- The ledger.
CREATE TABLE instance (
  seq INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  deployment_id TEXT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
  instance_id TEXT,
  phase TEXT NOT NULL,
  since TEXT NOT NULL,
  reason TEXT
);

CREATE INDEX instance_deployment ON instance (deployment_id);

CREATE TABLE tombstone (
  deployment_id TEXT PRIMARY KEY,
  purged_at TEXT NOT NULL
);

CREATE INDEX tombstone_purged ON tombstone (purged_at);

CREATE TABLE deployment_event (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  deployment_id TEXT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
  timestamp TEXT NOT NULL,
  level TEXT NOT NULL,
  message TEXT NOT NULL,
  component TEXT NOT NULL,
  reason TEXT
);

CREATE INDEX deployment_event_newest ON deployment_event (deployment_id, seq DESC);

CREATE TABLE user (
  id TEXT PRIMARY KEY,
  username TEXT NOT NULL UNIQUE,
  password TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
  status TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT,
  login_at TEXT
);

CREATE TABLE token (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES user (id),
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('session', 'pat')),
  token_hash TEXT NOT NULL UNIQUE,
  token_prefix TEXT NOT NULL,
  scopes TEXT NOT NULL,
  namespaces TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expire_at TEXT,
  last_used_at TEXT,
  revoked_at TEXT
);

-- Without foreign keys: an entry outlives what it names.
CREATE TABLE audit_log (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  timestamp TEXT NOT NULL,
  user_id TEXT,
  action TEXT NOT NULL,
  target_type TEXT NOT NULL,
  target_name TEXT NOT NULL,
  namespace TEXT
);

CREATE INDEX audit_log_namespace ON audit_log (namespace, seq DESC);
