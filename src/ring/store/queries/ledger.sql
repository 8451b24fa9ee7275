-- name: all
SELECT name, deployment_id, instance_id, phase, since, reason FROM instance ORDER BY seq;

-- name: put
INSERT INTO instance (name, deployment_id, instance_id, phase, since, reason)
VALUES (:name, :deployment_id, :instance_id, :phase, :since, :reason)
ON CONFLICT (name) DO UPDATE SET
  deployment_id = excluded.deployment_id, instance_id = excluded.instance_id,
  phase = excluded.phase, since = excluded.since, reason = excluded.reason;

-- name: drop
DELETE FROM instance WHERE name = :name;
