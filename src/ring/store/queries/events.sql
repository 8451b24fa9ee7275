-- name: last
SELECT timestamp, reason, message FROM deployment_event
WHERE deployment_id = :deployment_id ORDER BY seq DESC LIMIT 1;

-- name: insert
INSERT INTO deployment_event (id, deployment_id, timestamp, level, message, component, reason)
VALUES (:id, :deployment_id, :timestamp, :level, :message, :component, :reason);

-- name: trim
DELETE FROM deployment_event WHERE deployment_id = :deployment_id AND seq <= (
  SELECT seq FROM deployment_event WHERE deployment_id = :deployment_id
  ORDER BY seq DESC LIMIT 1 OFFSET :kept
);

-- name: trim_kind
DELETE FROM deployment_event
WHERE deployment_id = :deployment_id AND reason = :reason AND seq <= (
  SELECT seq FROM deployment_event WHERE deployment_id = :deployment_id AND reason = :reason
  ORDER BY seq DESC LIMIT 1 OFFSET :kept
);

-- name: newest
SELECT id, deployment_id, timestamp, level, message, component, reason FROM deployment_event
WHERE deployment_id = :deployment_id AND (:level IS NULL OR level = :level)
ORDER BY seq DESC LIMIT :limit;

-- name: in_namespace
SELECT 1 FROM deployment_event JOIN deployment ON deployment.id = deployment_event.deployment_id
WHERE deployment.namespace = :namespace AND deployment.runtime = :runtime AND reason = :reason
LIMIT 1;

-- name: count_of
SELECT count(*) AS events FROM deployment_event
WHERE deployment_id = :deployment_id AND reason = :reason AND timestamp > :since
  AND (:message IS NULL OR message = :message);
