-- value: nonce, ciphertext, tag. version grows with every write of the value.
CREATE TABLE secret (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  value BLOB NOT NULL,
  version INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  updated_at TEXT,
  UNIQUE (namespace, name)
);

CREATE TABLE config (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  data TEXT NOT NULL,
  labels TEXT NOT NULL DEFAULT '',
  version INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  updated_at TEXT,
  UNIQUE (namespace, name)
);

CREATE TABLE volume (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  size INTEGER,
  backend_type TEXT NOT NULL,
  host_path TEXT NOT NULL,
  labels TEXT NOT NULL DEFAULT '{}',
  created_at TEXT NOT NULL,
  updated_at TEXT,
  UNIQUE (namespace, name)
);

-- secret: sealed like the value of a secret.
CREATE TABLE webhook (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  url TEXT NOT NULL,
  secret BLOB,
  events TEXT NOT NULL,
  namespaces TEXT NOT NULL DEFAULT '[]',
  created_at TEXT NOT NULL,
  revoked_at TEXT
);

-- The outbound queue. next_attempt_at repeats the earliest of its deliveries, for the index.
CREATE TABLE event (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  deployment_id TEXT NOT NULL,
  namespace TEXT NOT NULL,
  payload TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'pending',
  attempts INTEGER NOT NULL DEFAULT 0,
  next_attempt_at TEXT NOT NULL,
  last_error TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT
);

CREATE INDEX event_due ON event (status, next_attempt_at);

CREATE TABLE delivery (
  event_id TEXT NOT NULL REFERENCES event (id) ON DELETE CASCADE,
  webhook_id TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'pending',
  attempts INTEGER NOT NULL DEFAULT 0,
  next_attempt_at TEXT NOT NULL,
  last_error TEXT,
  updated_at TEXT,
  PRIMARY KEY (event_id, webhook_id)
) WITHOUT ROWID;

CREATE INDEX delivery_due ON delivery (webhook_id, next_attempt_at) WHERE status = 'pending';

CREATE TABLE health_check (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
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
-- To count them without reading their messages.
CREATE INDEX health_check_status ON health_check (status);

-- Of the registry, sealed; the spec's JSON holds a mark in its place.
ALTER TABLE deployment ADD COLUMN password BLOB;
-- JSON: which versions of which secrets and configs the row was made with.
ALTER TABLE deployment ADD COLUMN inputs TEXT;

CREATE INDEX token_user ON token (user_id);
CREATE INDEX audit_log_user ON audit_log (user_id, seq DESC);
