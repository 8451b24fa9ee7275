-- name: by_id
SELECT id, namespace, name, size, backend_type, host_path, labels, created_at, updated_at
FROM volume WHERE id = :id;

-- name: listed
SELECT id, namespace, name, size, backend_type, host_path, labels, created_at, updated_at
FROM volume
WHERE (:namespaces IS NULL OR namespace IN (SELECT value FROM json_each(:namespaces)))
  AND (:names IS NULL OR name IN (SELECT value FROM json_each(:names)))
ORDER BY namespace, name;

-- name: insert
INSERT INTO volume (id, namespace, name, size, backend_type, host_path, labels, created_at)
VALUES (:id, :namespace, :name, :size, :backend_type, :name, :labels, :created_at)
ON CONFLICT (namespace, name) DO NOTHING;

-- name: delete
DELETE FROM volume WHERE id = :id;
