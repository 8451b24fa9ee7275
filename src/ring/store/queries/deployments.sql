-- name: all
SELECT * FROM deployment ORDER BY seq;

-- name: by_id
SELECT * FROM deployment WHERE id = :id;

-- name: active
SELECT * FROM deployment
WHERE namespace = :namespace AND name = :name AND status != 'deleted' ORDER BY seq;

-- name: last_revision
SELECT max(revision) AS revision FROM (
  SELECT revision FROM deployment WHERE namespace = :namespace AND name = :name
  UNION ALL SELECT revision FROM revision WHERE namespace = :namespace AND name = :name
);

-- name: stored
SELECT version, status, last_event_at FROM deployment WHERE id = :id;

-- name: insert
INSERT INTO deployment (
  id, namespace, name, kind, runtime, image, replicas, spec, spec_hash, revision, author,
  parent_id, status, restart_count, next_create_at, counted_death_at, halt_reason, retired_count,
  was_running, desired_replicas, last_scaled_at, drain_target, stopped, health_restarts, cause,
  image_digest, password, created_at, updated_at, last_event_at, version
) VALUES (
  :id, :namespace, :name, :kind, :runtime, :image, :replicas, :spec, :spec_hash, :revision, :author,
  :parent_id, :status, :restart_count, :next_create_at, :counted_death_at, :halt_reason,
  :retired_count, :was_running, :desired_replicas, :last_scaled_at, :drain_target, :stopped,
  :health_restarts, :cause, :image_digest, :password, :created_at, :updated_at, :last_event_at,
  :version
);

-- name: update
UPDATE deployment SET
  parent_id = :parent_id, status = :status, restart_count = :restart_count,
  next_create_at = :next_create_at, counted_death_at = :counted_death_at,
  halt_reason = :halt_reason, retired_count = :retired_count, was_running = :was_running,
  desired_replicas = :desired_replicas, last_scaled_at = :last_scaled_at,
  drain_target = :drain_target, stopped = :stopped, health_restarts = :health_restarts,
  image_digest = :image_digest, updated_at = :updated_at, version = :version
WHERE id = :id;

-- name: update_spec
UPDATE deployment SET
  kind = :kind, runtime = :runtime, image = :image, replicas = :replicas, spec = :spec,
  spec_hash = :spec_hash, revision = :revision, password = :password
WHERE id = :id;

-- name: in_use
SELECT * FROM deployment
WHERE namespace = :namespace AND status NOT IN ('deleted', 'completed', 'failed')
  AND instr(spec, :text) > 0
ORDER BY seq;

-- name: inputs
SELECT inputs FROM deployment WHERE id = :id;

-- name: with_inputs
SELECT id, inputs FROM deployment
WHERE namespace = :namespace AND status != 'deleted' AND inputs IS NOT NULL;

-- name: set_inputs
UPDATE deployment SET inputs = :inputs WHERE id = :id;

-- name: stamp_event
UPDATE deployment SET last_event_at = :at WHERE id = :id;

-- name: delete
DELETE FROM deployment WHERE id = :id;

-- name: tombstones
SELECT deployment_id, purged_at FROM tombstone ORDER BY rowid;

-- name: bury
INSERT OR REPLACE INTO tombstone (deployment_id, purged_at) VALUES (:id, :at);

-- name: buried_before
SELECT deployment_id FROM tombstone WHERE purged_at <= :at;

-- name: forget_buried_before
DELETE FROM tombstone WHERE purged_at <= :at;
