-- name: named
SELECT id, namespace, name, data, labels, version, created_at, updated_at FROM config
WHERE namespace = :namespace AND name = :name;
