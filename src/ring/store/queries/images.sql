-- name: of_runtime
SELECT * FROM pulled_image WHERE runtime = :runtime ORDER BY image_id, reference;

-- name: insert
INSERT INTO pulled_image (runtime, image_id, reference, digest, pulled_at, used_at)
VALUES (:runtime, :image_id, :reference, :digest, :now, :now)
ON CONFLICT (runtime, image_id, reference) DO UPDATE SET used_at = excluded.used_at;

-- name: is_known
SELECT 1 FROM pulled_image WHERE runtime = :runtime AND image_id = :image_id LIMIT 1;

-- name: used
UPDATE pulled_image SET used_at = :now
WHERE runtime = :runtime AND image_id IN (SELECT value FROM json_each(:image_ids));

-- name: used_by_digest
UPDATE pulled_image SET used_at = :now
WHERE runtime = :runtime AND :digest IN (digest, image_id);

-- name: forget
DELETE FROM pulled_image
WHERE runtime = :runtime AND image_id IN (SELECT value FROM json_each(:image_ids));

-- name: forget_all
DELETE FROM pulled_image WHERE runtime = :runtime;
