-- name: named
SELECT id, namespace, name, value, version, created_at, updated_at FROM secret
WHERE namespace = :namespace AND name = :name;

-- name: by_id
SELECT id, namespace, name, version, created_at, updated_at FROM secret WHERE id = :id;

-- name: stamp
SELECT id, version FROM secret WHERE namespace = :namespace AND name = :name;

-- name: newest
SELECT id, namespace, name, value, version, created_at, updated_at FROM secret
ORDER BY seq DESC LIMIT 1;

-- name: listed
SELECT id, namespace, name, version, created_at, updated_at FROM secret
WHERE (:namespaces IS NULL OR namespace IN (SELECT value FROM json_each(:namespaces)))
  AND (:names IS NULL OR name IN (SELECT value FROM json_each(:names)))
ORDER BY namespace, name;

-- name: insert
INSERT INTO secret (id, namespace, name, value, created_at)
VALUES (:id, :namespace, :name, :value, :created_at);

-- name: replace
UPDATE secret SET value = :value, version = version + 1, updated_at = :at WHERE id = :id;

-- name: delete
DELETE FROM secret WHERE id = :id;
