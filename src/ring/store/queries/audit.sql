-- name: insert
INSERT INTO audit_log (id, timestamp, user_id, action, target_type, target_name, namespace)
VALUES (:id, :timestamp, :user_id, :action, :target_type, :target_name, :namespace);
