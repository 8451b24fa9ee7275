-- name: all
SELECT id, name, created_at, updated_at, network FROM namespace ORDER BY name;

-- name: by_id
SELECT id, name, created_at, updated_at, network FROM namespace WHERE id = :id;

-- name: by_name
SELECT id, name, created_at, updated_at, network FROM namespace WHERE name = :name;

-- name: insert
INSERT INTO namespace (id, name, created_at, network) VALUES (:id, :name, :created_at, :network);

-- name: set_network
UPDATE namespace SET network = :network, updated_at = :at WHERE id = :id;

-- name: held
SELECT
  (SELECT count(*) FROM deployment WHERE namespace = :name AND status != 'deleted')
  + (SELECT count(*) FROM secret WHERE namespace = :name)
  + (SELECT count(*) FROM config WHERE namespace = :name) AS remaining;

-- name: drop_volumes
DELETE FROM volume WHERE namespace = :name;

-- name: drop_revisions
DELETE FROM revision WHERE namespace = :name;

-- name: delete
DELETE FROM namespace WHERE id = :id;
