-- Last words belong to the deployment and no longer to one row of it, and have a size: bytes is the
-- length of lines. The sums over all are asked for with every write, and are in an index of their own.
CREATE TABLE ended_words (
  seq INTEGER PRIMARY KEY,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  instance_name TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  lines BLOB NOT NULL
);

INSERT INTO ended_words
SELECT
  last_words.seq,
  deployment.namespace,
  deployment.name,
  last_words.instance_id,
  last_words.instance_name,
  length(CAST(last_words.lines AS BLOB)),
  last_words.lines
FROM last_words JOIN deployment ON deployment.id = last_words.deployment_id;

DROP TABLE last_words;
ALTER TABLE ended_words RENAME TO last_words;

CREATE UNIQUE INDEX last_words_instance ON last_words (namespace, name, instance_id);
CREATE INDEX last_words_size ON last_words (namespace, seq, bytes);
