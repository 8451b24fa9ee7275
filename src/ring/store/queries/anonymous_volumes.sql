-- name: all
SELECT runtime, name, instance_id FROM anonymous_volume ORDER BY runtime, instance_id, name;

-- name: insert
INSERT INTO anonymous_volume (runtime, name, instance_id) VALUES (:runtime, :name, :instance_id)
ON CONFLICT (runtime, name) DO UPDATE SET instance_id = excluded.instance_id;

-- name: delete
DELETE FROM anonymous_volume WHERE runtime = :runtime AND name = :name;
