-- name: read
SELECT value FROM meta WHERE key = :key;

-- name: insert
INSERT INTO meta (key, value) VALUES (:key, :value);

-- name: put
INSERT INTO meta (key, value) VALUES (:key, :value)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;
