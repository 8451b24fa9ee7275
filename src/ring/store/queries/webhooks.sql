-- name: insert
INSERT INTO webhook (id, url, secret, events, namespaces, created_at)
VALUES (:id, :url, :secret, :events, :namespaces, :created_at);

-- name: all
SELECT id, url, events, namespaces, created_at, revoked_at FROM webhook ORDER BY seq DESC;

-- name: by_id
SELECT id, url, events, namespaces, created_at, revoked_at FROM webhook WHERE id = :id;

-- name: active
SELECT id, url, events, namespaces, created_at, revoked_at FROM webhook
WHERE revoked_at IS NULL ORDER BY seq;

-- name: target
SELECT id, url, secret FROM webhook WHERE id = :id AND revoked_at IS NULL;

-- name: revoke
UPDATE webhook SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL;

-- name: drop_pending
DELETE FROM delivery WHERE webhook_id = :id AND status = 'pending';

-- name: publish
INSERT INTO event (
  id, kind, deployment_id, namespace, payload, status, next_attempt_at, created_at
) VALUES (:id, :kind, :deployment_id, :namespace, :payload, :status, :at, :at);

-- name: deliver_to
INSERT INTO delivery (event_id, webhook_id, next_attempt_at) VALUES (:event_id, :webhook_id, :at);

-- name: due
SELECT event.id, event.seq, event.kind, event.deployment_id, event.payload, delivery.attempts
FROM delivery JOIN event ON event.id = delivery.event_id
WHERE delivery.webhook_id = :webhook_id AND delivery.status = 'pending'
  AND delivery.next_attempt_at <= :now
ORDER BY delivery.next_attempt_at, event.seq LIMIT :limit;

-- name: held_by_the_clock
SELECT 1 FROM delivery
WHERE status = 'pending' AND next_attempt_at > :now
  AND (attempts = 0 OR next_attempt_at > :latest)
LIMIT 1;

-- name: pull_forward
UPDATE delivery SET next_attempt_at = :now
WHERE status = 'pending' AND next_attempt_at > :now
  AND (attempts = 0 OR next_attempt_at > :latest);

-- name: delivery
SELECT attempts FROM delivery
WHERE event_id = :event_id AND webhook_id = :webhook_id AND status = 'pending';

-- name: settle
UPDATE delivery SET
  status = :status, attempts = :attempts, next_attempt_at = :next_attempt_at,
  last_error = :last_error, updated_at = :at
WHERE event_id = :event_id AND webhook_id = :webhook_id AND status = 'pending';

-- name: sum_up
UPDATE event SET
  status = CASE
    WHEN EXISTS (SELECT 1 FROM delivery WHERE event_id = event.id AND status = 'pending')
    THEN 'pending'
    WHEN EXISTS (SELECT 1 FROM delivery WHERE event_id = event.id AND status = 'dead')
    THEN 'dead'
    ELSE 'delivered'
  END,
  attempts = coalesce((SELECT max(attempts) FROM delivery WHERE event_id = event.id), attempts),
  next_attempt_at = coalesce(
    (SELECT min(next_attempt_at) FROM delivery WHERE event_id = event.id AND status = 'pending'),
    next_attempt_at
  ),
  last_error = coalesce(:last_error, last_error),
  updated_at = :at
WHERE id = :event_id;

-- name: settle_undeliverable
UPDATE event SET
  status = CASE
    WHEN EXISTS (SELECT 1 FROM delivery WHERE event_id = event.id AND status = 'dead')
    THEN 'dead'
    ELSE 'delivered'
  END,
  updated_at = :at
WHERE status = 'pending'
  AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_id = event.id AND status = 'pending');

-- name: history
SELECT
  event.id, event.kind, event.payload, event.created_at,
  delivery.status, delivery.attempts, delivery.next_attempt_at, delivery.last_error,
  delivery.updated_at
FROM (SELECT * FROM event ORDER BY seq DESC LIMIT :looked_at) AS event
JOIN delivery ON delivery.event_id = event.id AND delivery.webhook_id = :webhook_id
ORDER BY event.seq DESC LIMIT :limit;

-- name: purgeable
SELECT 1 FROM event
WHERE status = :status AND next_attempt_at < :before
  AND coalesce(updated_at, created_at) < :before
LIMIT 1;

-- name: purge
DELETE FROM event WHERE seq IN (
  -- next_attempt_at is not later than the end, and has the index.
  SELECT seq FROM event
  WHERE status = :status AND next_attempt_at < :before
    AND coalesce(updated_at, created_at) < :before
  LIMIT :limit
);
