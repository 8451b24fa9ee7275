-- name: by_hash
SELECT
  token.id, token.name, token.kind, token.scopes, token.namespaces, token.expire_at,
  token.last_used_at, token.revoked_at,
  user.id AS user_id, user.username, user.password, user.role, user.status, user.created_at,
  user.updated_at, user.login_at
FROM token JOIN user ON user.id = token.user_id
WHERE token.token_hash = :token_hash;

-- name: live
SELECT 1 FROM token JOIN user ON user.id = token.user_id
WHERE token.id = :id AND token.revoked_at IS NULL AND user.status = 'active';

-- name: of_user
SELECT
  id, name, token_prefix, scopes, namespaces, created_at, expire_at, last_used_at, revoked_at
FROM token WHERE user_id = :user_id AND kind = 'pat' ORDER BY rowid DESC;

-- name: pat
SELECT
  id, name, token_prefix, scopes, namespaces, created_at, expire_at, last_used_at, revoked_at
FROM token WHERE id = :id AND user_id = :user_id AND kind = 'pat';

-- name: insert
INSERT INTO token (
  id, user_id, name, kind, token_hash, token_prefix, scopes, namespaces, created_at, expire_at
) VALUES (
  :id, :user_id, :name, :kind, :token_hash, :token_prefix, :scopes, :namespaces, :created_at,
  :expire_at
);

-- name: revoke
UPDATE token SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL;

-- name: revoke_of_user
UPDATE token SET revoked_at = :at WHERE user_id = :user_id AND revoked_at IS NULL;

-- name: revoke_other_sessions
UPDATE token SET revoked_at = :at
WHERE user_id = :user_id AND kind = 'session' AND id != :kept AND revoked_at IS NULL;

-- name: touch
UPDATE token SET last_used_at = :at WHERE id = :id;
