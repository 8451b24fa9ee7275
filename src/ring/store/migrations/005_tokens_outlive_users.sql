-- Without a foreign key: the revoked tokens of a deleted user stay, as the audit log's entries do.
CREATE TABLE token_kept (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
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

INSERT INTO token_kept (
  rowid, id, user_id, name, kind, token_hash, token_prefix, scopes, namespaces, created_at,
  expire_at, last_used_at, revoked_at
)
SELECT
  rowid, id, user_id, name, kind, token_hash, token_prefix, scopes, namespaces, created_at,
  expire_at, last_used_at, revoked_at
FROM token;

DROP TABLE token;
ALTER TABLE token_kept RENAME TO token;
CREATE INDEX token_user ON token (user_id);

-- Of these only the newest are kept, whoever provokes them.
CREATE INDEX audit_log_failed ON audit_log (seq) WHERE action = 'login_failed';
