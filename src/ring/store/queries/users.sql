-- name: all
SELECT id, username, password, role, status, created_at, updated_at, login_at
FROM user ORDER BY rowid;

-- name: by_id
SELECT id, username, password, role, status, created_at, updated_at, login_at
FROM user WHERE id = :id;

-- name: by_username
SELECT id, username, password, role, status, created_at, updated_at, login_at
FROM user WHERE username = :username;

-- name: count
SELECT count(*) AS users FROM user;

-- name: other_admins
SELECT count(*) AS users FROM user WHERE role = 'admin' AND status = 'active' AND id != :id;

-- name: insert
INSERT INTO user (id, username, password, role, status, created_at)
VALUES (:id, :username, :password, :role, :status, :created_at);

-- name: update
UPDATE user
SET username = :username, password = :password, role = :role, status = :status, updated_at = :at
WHERE id = :id;

-- name: delete
DELETE FROM user WHERE id = :id;

-- name: stamp_login
UPDATE user SET login_at = :at WHERE id = :id;
