-- name: nouns
SELECT
  (SELECT count(*) FROM namespace) AS namespaces,
  (SELECT count(*) FROM secret) AS secrets,
  (SELECT count(*) FROM volume) AS volumes,
  (SELECT count(*) FROM user) AS users,
  (SELECT count(*) FROM webhook) AS webhooks,
  (SELECT count(*) FROM config) AS configs;

-- name: outbound_events
SELECT status, count(*) AS count FROM event GROUP BY status;

-- name: health_checks
SELECT status, count(*) AS count FROM health_check GROUP BY status;
