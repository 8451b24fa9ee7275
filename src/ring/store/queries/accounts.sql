-- name: by_username
SELECT id, username, password, role, status FROM user WHERE username = :username;

-- name: count
SELECT count(*) AS users FROM user;

-- name: insert
INSERT INTO user (id, username, password, role, status, created_at)
VALUES (:id, :username, :password, :role, :status, :created_at);

-- name: stamp_login
UPDATE user SET login_at = :at WHERE id = :id;
