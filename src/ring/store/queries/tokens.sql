-- name: by_hash
SELECT
  token.id, token.name, token.kind, token.scopes, token.namespaces, token.expire_at,
  token.last_used_at, token.revoked_at,
  user.id AS user_id, user.username, user.password, user.role, user.status
FROM token JOIN user ON user.id = token.user_id
WHERE token.token_hash = :token_hash;

-- name: insert
INSERT INTO token (
  id, user_id, name, kind, token_hash, token_prefix, scopes, namespaces, created_at
) VALUES (
  :id, :user_id, :name, :kind, :token_hash, :token_prefix, :scopes, :namespaces, :created_at
);

-- name: revoke
UPDATE token SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL;

-- name: touch
UPDATE token SET last_used_at = :at WHERE id = :id;
