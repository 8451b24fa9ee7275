-- name: insert
INSERT INTO revision (
  namespace, name, revision, deployment_id, spec, password, author, cause, created_at, ready_at
) VALUES (
  :namespace, :name, :revision, :deployment_id, :spec, :password, :author, :cause, :created_at,
  :ready_at
);

-- name: of_group
SELECT revision.*, user.username AS username
FROM revision LEFT JOIN user ON user.id = revision.author
WHERE revision.namespace = :namespace AND revision.name = :name
ORDER BY revision.revision DESC;

-- name: by_number
SELECT * FROM revision
WHERE namespace = :namespace AND name = :name AND revision = :revision;

-- name: ready_below
SELECT * FROM revision
WHERE namespace = :namespace AND name = :name AND revision < :revision AND ready_at IS NOT NULL
ORDER BY revision DESC;

-- name: mark_ready
UPDATE revision SET ready_at = :at
WHERE namespace = :namespace AND name = :name AND revision = :revision AND ready_at IS NULL;

-- name: prune
DELETE FROM revision
WHERE namespace = :namespace AND name = :name
  AND revision IS NOT :good
  AND revision NOT IN (
    SELECT revision FROM revision WHERE namespace = :namespace AND name = :name
    ORDER BY revision DESC LIMIT :kept
  )
  AND revision NOT IN (
    SELECT revision FROM deployment
    WHERE namespace = :namespace AND name = :name AND status != 'deleted'
  )
  AND revision IS NOT (
    SELECT max(revision) FROM revision
    WHERE namespace = :namespace AND name = :name AND ready_at IS NOT NULL
  );

-- name: drop_orphaned
DELETE FROM revision
WHERE namespace = :namespace AND name = :name AND NOT EXISTS (
  SELECT 1 FROM deployment WHERE namespace = :namespace AND name = :name
);

-- name: images
SELECT
  namespace,
  name,
  revision,
  CASE WHEN json_valid(spec) THEN json_extract(spec, '$.image') END AS image,
  CASE WHEN json_valid(spec) THEN json_extract(spec, '$.runtime') END AS runtime
FROM revision;
