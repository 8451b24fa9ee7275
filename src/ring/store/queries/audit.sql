-- name: insert
INSERT INTO audit_log (id, timestamp, user_id, action, target_type, target_name, namespace)
VALUES (:id, :timestamp, :user_id, :action, :target_type, :target_name, :namespace);

-- name: rename
UPDATE audit_log SET target_name = :target_name WHERE seq = :seq AND id = :id;

-- name: newest
SELECT max(seq) AS seq FROM audit_log;

-- name: before
SELECT seq, id, timestamp, user_id, action, target_type, target_name, namespace
FROM audit_log WHERE seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: of_namespace
SELECT seq, id, timestamp, user_id, action, target_type, target_name, namespace
FROM audit_log WHERE namespace = :namespace AND seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: of_user
SELECT seq, id, timestamp, user_id, action, target_type, target_name, namespace
FROM audit_log WHERE user_id = :user_id AND seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: purge_namespace
DELETE FROM audit_log WHERE namespace = :namespace;

-- name: thin_failed_logins
DELETE FROM audit_log WHERE action = 'login_failed' AND seq <= (
  SELECT seq FROM audit_log WHERE action = 'login_failed' ORDER BY seq DESC LIMIT 1 OFFSET :kept
);
