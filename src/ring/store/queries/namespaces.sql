-- name: all
SELECT id, name, created_at, updated_at FROM namespace ORDER BY name;

-- name: by_id
SELECT id, name, created_at, updated_at FROM namespace WHERE id = :id;

-- name: by_name
SELECT id, name, created_at, updated_at FROM namespace WHERE name = :name;

-- name: insert
INSERT INTO namespace (id, name, created_at) VALUES (:id, :name, :created_at);

-- name: held
SELECT
  (SELECT count(*) FROM deployment WHERE namespace = :name AND status != 'deleted')
  + (SELECT count(*) FROM secret WHERE namespace = :name)
  + (SELECT count(*) FROM config WHERE namespace = :name) AS remaining;

-- name: drop_volumes
DELETE FROM volume WHERE namespace = :name;

-- name: delete
DELETE FROM namespace WHERE id = :id;
