-- name: read
SELECT value FROM meta WHERE key = :key;

-- name: insert
INSERT INTO meta (key, value) VALUES (:key, :value);
