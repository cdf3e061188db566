-- Who is notified of what happens to tasks. The log itself is the outbox: a destination has a place in it, and only events
-- whose delivery failed, or that wait behind such an event of their task, have a row.

CREATE TABLE destination (
  name          TEXT    NOT NULL PRIMARY KEY,
  cursor        INTEGER NOT NULL,            -- every event up to here is delivered, has a row, or is not for it
  generation    INTEGER NOT NULL DEFAULT 0,  -- grows when a person changes what is to be delivered
  failures      INTEGER NOT NULL DEFAULT 0,  -- in a row
  closed_at_ms  INTEGER,                     -- since when it counts as unreachable
  probes        INTEGER NOT NULL DEFAULT 0,  -- that failed since then
  not_before_ms INTEGER,                     -- nothing is sent sooner
  is_stopped    INTEGER NOT NULL DEFAULT 0 CHECK (is_stopped = 0 OR is_stopped = 1),  -- it answered 410
  failed_at_ms  INTEGER,                     -- the latest failure
  status        INTEGER,                     -- its HTTP status or exit code
  reason        TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
  destination TEXT    NOT NULL,
  sequence    INTEGER NOT NULL,              -- of the event
  task_key    INTEGER NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  type        TEXT    NOT NULL,              -- task.succeeded
  at_ms       INTEGER NOT NULL,              -- of the event
  attempts    INTEGER NOT NULL,
  next_at_ms  INTEGER,                       -- not sooner; NULL: as soon as its turn comes
  tried_at_ms INTEGER,
  is_dead     INTEGER NOT NULL CHECK (is_dead = 0 OR is_dead = 1),
  status      INTEGER,                       -- of the latest failure, as above
  reason      TEXT,
  answer      TEXT,                          -- the end or beginning of what it answered
  PRIMARY KEY (destination, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX delivery_state ON delivery (destination, is_dead, sequence);
CREATE INDEX delivery_task ON delivery (task_key, is_dead);

ALTER TABLE task ADD COLUMN notify TEXT;     -- a destination that is notified of it in any case
