-- name: all
SELECT id, name, created_at, updated_at FROM namespace ORDER BY name;

-- name: by_id
SELECT id, name, created_at, updated_at FROM namespace WHERE id = :id;

-- name: by_name
SELECT id, name, created_at, updated_at FROM namespace WHERE name = :name;

-- name: insert
INSERT INTO namespace (id, name, created_at) VALUES (:id, :name, :created_at);
