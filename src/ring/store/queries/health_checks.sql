-- name: newest
SELECT * FROM health_check WHERE deployment_id = :deployment_id
ORDER BY started_at DESC, seq DESC LIMIT :limit;

-- name: latest
SELECT * FROM (
  SELECT *, row_number() OVER (
    PARTITION BY check_type ORDER BY started_at DESC, seq DESC
  ) AS place
  FROM health_check WHERE deployment_id = :deployment_id
) WHERE place = 1 ORDER BY check_type;

-- name: insert
INSERT INTO health_check (
  id, deployment_id, instance_id, check_index, check_type, status, message, created_at, started_at,
  finished_at
)
SELECT
  :id, :deployment_id, :instance_id, :check_index, :check_type, :status, :message, :created_at,
  :started_at, :finished_at
WHERE EXISTS (SELECT 1 FROM deployment WHERE id = :deployment_id);

-- name: drop_before
DELETE FROM health_check WHERE deployment_id = :deployment_id AND started_at < :before;

-- name: heads
SELECT seq, check_type FROM health_check WHERE deployment_id = :deployment_id
ORDER BY started_at DESC, seq DESC LIMIT :limit;

-- name: head_of_type
SELECT seq, check_type FROM health_check
WHERE deployment_id = :deployment_id AND check_type = :check_type
ORDER BY started_at DESC, seq DESC LIMIT 1;

-- name: drop_others
DELETE FROM health_check WHERE seq IN (
  SELECT seq FROM health_check
  WHERE deployment_id = :deployment_id AND seq NOT IN (SELECT value FROM json_each(:kept))
  LIMIT :most
);

-- name: states
SELECT * FROM probe_state;

-- name: put_state
INSERT INTO probe_state (
  instance_id, check_index, deployment_id, status, failures, ready_since, health, streak
)
SELECT
  :instance_id, :check_index, :deployment_id, :status, :failures, :ready_since, :health, :streak
WHERE EXISTS (SELECT 1 FROM deployment WHERE id = :deployment_id)
ON CONFLICT (instance_id, check_index) DO UPDATE SET
  deployment_id = excluded.deployment_id, status = excluded.status, failures = excluded.failures,
  ready_since = excluded.ready_since, health = excluded.health, streak = excluded.streak;

-- name: drop_states
DELETE FROM probe_state WHERE instance_id = :instance_id;

-- name: drop_orphaned_states
DELETE FROM probe_state WHERE deployment_id = :deployment_id AND instance_id NOT IN (
  SELECT instance_id FROM instance
  WHERE deployment_id = :deployment_id AND instance_id IS NOT NULL
);
