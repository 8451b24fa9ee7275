-- name: all
SELECT name, deployment_id, instance_id, phase, since, reason, born FROM instance ORDER BY seq;

-- name: put
INSERT INTO instance (name, deployment_id, instance_id, phase, since, reason, born)
VALUES (:name, :deployment_id, :instance_id, :phase, :since, :reason, :born)
ON CONFLICT (name) DO UPDATE SET
  instance_id = excluded.instance_id,
  phase = excluded.phase, since = excluded.since, reason = excluded.reason,
  born = excluded.born
WHERE instance.deployment_id = excluded.deployment_id;

-- name: drop
DELETE FROM instance WHERE name = :name;
