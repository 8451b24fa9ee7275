-- name: named
SELECT id, namespace, name, value, version, created_at, updated_at FROM secret
WHERE namespace = :namespace AND name = :name;
