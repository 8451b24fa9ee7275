-- name: insert
INSERT INTO last_words (namespace, name, instance_id, instance_name, bytes, lines)
SELECT :namespace, :name, :instance_id, :instance_name, :bytes, :lines
WHERE EXISTS (
  SELECT 1 FROM deployment
  WHERE namespace = :namespace AND name = :name AND status != 'deleted'
)
ON CONFLICT (namespace, name, instance_id) DO NOTHING;

-- name: trim
DELETE FROM last_words WHERE namespace = :namespace AND name = :name AND seq <= (
  SELECT seq FROM last_words WHERE namespace = :namespace AND name = :name
  ORDER BY seq DESC LIMIT 1 OFFSET :kept
);

-- name: trim_groups
DELETE FROM last_words WHERE seq IN (
  SELECT seq FROM (
    SELECT seq, row_number() OVER (PARTITION BY namespace, name ORDER BY seq DESC) AS place
    FROM last_words
  )
  WHERE place > :kept
);

-- name: total
SELECT ifnull(sum(bytes), 0) AS bytes FROM last_words INDEXED BY last_words_size;

-- name: trim_size
-- Of the namespace that has most, the oldest go: one that writes much takes no other's.
DELETE FROM last_words WHERE seq IN (
  SELECT seq FROM (
    SELECT seq, sum(bytes) OVER (ORDER BY newer, seq DESC ROWS UNBOUNDED PRECEDING) AS total
    FROM (
      SELECT seq, bytes, sum(bytes) OVER (
        PARTITION BY namespace ORDER BY seq DESC ROWS UNBOUNDED PRECEDING
      ) AS newer
      FROM last_words INDEXED BY last_words_size
    )
  )
  WHERE total > :size
);

-- name: of_group
SELECT seq, instance_id, instance_name FROM last_words
WHERE namespace = :namespace AND name = :name ORDER BY seq;

-- name: lines
SELECT lines FROM last_words WHERE seq = :seq AND instance_id = :id;

-- name: drop_namespace
DELETE FROM last_words WHERE namespace = :namespace;

-- name: drop_orphaned
DELETE FROM last_words
WHERE namespace = :namespace AND name = :name AND NOT EXISTS (
  SELECT 1 FROM deployment WHERE namespace = :namespace AND name = :name
);
