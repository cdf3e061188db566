-- Tasks without details are removed as a whole later, with their idempotency keys at the latest. A task has at most one key, so
-- a key's row has the number of its task.

CREATE TABLE idempotency_key_of_task (
  task_key    INTEGER PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  key         TEXT    NOT NULL UNIQUE,
  fingerprint BLOB    NOT NULL                      -- SHA-256 of the submission in canonical form
) STRICT;

INSERT INTO idempotency_key_of_task (task_key, key, fingerprint)
SELECT task.task_key, key, fingerprint FROM idempotency_key JOIN task ON task.id = task_id ORDER BY task.task_key;

DROP TABLE idempotency_key;
ALTER TABLE idempotency_key_of_task RENAME TO idempotency_key;

-- Tasks without details, oldest end first: those with a key, then those whose key was removed (removed_parts has 8 too).
CREATE INDEX task_stub ON task (removed_parts, ended_at_ms) WHERE removed_parts >= 7;
