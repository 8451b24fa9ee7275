-- name: named
SELECT id, namespace, name, data, labels, version, created_at, updated_at FROM config
WHERE namespace = :namespace AND name = :name;

-- name: by_id
SELECT id, namespace, name, data, labels, version, created_at, updated_at FROM config
WHERE id = :id;

-- name: stamp
SELECT id, version FROM config WHERE namespace = :namespace AND name = :name;

-- name: listed
SELECT id FROM config
WHERE (:namespaces IS NULL OR namespace IN (SELECT value FROM json_each(:namespaces)))
  AND (:names IS NULL OR name IN (SELECT value FROM json_each(:names)))
ORDER BY namespace, name;

-- name: insert
INSERT INTO config (id, namespace, name, data, labels, created_at)
VALUES (:id, :namespace, :name, :data, :labels, :created_at);

-- name: replace
UPDATE config SET
  name = :name, data = :data, labels = :labels, version = version + (data != :data),
  updated_at = :at
WHERE id = :id;

-- name: delete
DELETE FROM config WHERE id = :id;
