-- name: insert
INSERT INTO last_words (deployment_id, instance_id, instance_name, lines)
SELECT :deployment_id, :instance_id, :instance_name, :lines
WHERE EXISTS (SELECT 1 FROM deployment WHERE id = :deployment_id)
ON CONFLICT (deployment_id, instance_id) DO NOTHING;

-- name: trim
DELETE FROM last_words WHERE deployment_id = :deployment_id AND seq <= (
  SELECT seq FROM last_words WHERE deployment_id = :deployment_id
  ORDER BY seq DESC LIMIT 1 OFFSET :kept
);

-- name: of
SELECT instance_id, instance_name, lines FROM last_words
WHERE deployment_id = :deployment_id ORDER BY seq;
