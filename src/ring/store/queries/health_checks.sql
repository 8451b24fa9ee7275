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
