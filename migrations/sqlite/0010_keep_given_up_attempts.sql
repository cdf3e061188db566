-- Attempts that may have been accepted though their task went on, or ended, without an id from them: their place in the
-- provider's list is read again for a day, and before the task is sent again.

CREATE TABLE given_up_attempt (
  task_key           INTEGER NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  number             INTEGER NOT NULL,                    -- which attempt of the task
  service            TEXT    NOT NULL,
  started_at_ms      INTEGER NOT NULL,
  ended_at_ms        INTEGER NOT NULL,
  ended_with_daemon  INTEGER NOT NULL CHECK (ended_with_daemon IN (0, 1)),
  clock_drift_ms     INTEGER NOT NULL,                    -- the sum of the wall clock's jumps since it began,
  clock_lowest_ms    INTEGER NOT NULL,                    -- the lowest
  clock_highest_ms   INTEGER NOT NULL,                    -- and the highest that the sum has been
  callback           BLOB,                                -- SHA-256 of the attempt's token, if it carried one
  given_up_at_ms     INTEGER NOT NULL,
  readings           INTEGER NOT NULL DEFAULT 0,          -- of the provider's list, since then
  next_reading_at_ms INTEGER,                             -- NULL once all were made, or its record was found
  remote_id          TEXT,                                -- the record that turned up
  PRIMARY KEY (task_key, number)
) STRICT, WITHOUT ROWID;

-- What is read again next.
CREATE INDEX given_up_attempt_due ON given_up_attempt (service, next_reading_at_ms) WHERE next_reading_at_ms IS NOT NULL;
-- Attempts whose record may stand in a stretch of the list.
CREATE INDEX given_up_attempt_lost ON given_up_attempt (service, started_at_ms) WHERE remote_id IS NULL;
-- Who owns a remote id, besides tasks.
CREATE INDEX given_up_attempt_remote ON given_up_attempt (service, remote_id) WHERE remote_id IS NOT NULL;

ALTER TABLE task ADD COLUMN attempt_possible_ids TEXT;    -- JSON array: records that may be the latest attempt's
ALTER TABLE task ADD COLUMN callback_attempt INTEGER;     -- whose callback or late reply told callback_remote_id
