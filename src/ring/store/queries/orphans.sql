-- name: server
SELECT value FROM meta WHERE key = 'server_id';

-- name: deployments
SELECT id, namespace FROM deployment;

-- name: tombstones
SELECT deployment_id FROM tombstone;

-- name: volumes
SELECT namespace, name FROM volume;
