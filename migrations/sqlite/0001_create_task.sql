-- The store of Pollux. Times are whole milliseconds since 1970 in UTC; JSON is text as it was received.
-- A task's row is small, since the loops touch it often; what was asked for and what came back stand apart.

CREATE TABLE task (
  task_key            INTEGER PRIMARY KEY,          -- order of arrival; what other tables point at
  id                  TEXT    NOT NULL UNIQUE,      -- UUIDv7, lower case
  endpoint            TEXT    NOT NULL,             -- 'midjourney/imagine'
  service             TEXT    NOT NULL,             -- 'midjourney': remote ids are unique within it
  state               TEXT    NOT NULL CHECK (state IN (
                        'queued', 'submitting', 'uncertain', 'running', 'succeeded', 'failed', 'cancelled', 'expired')),
  is_partial          INTEGER NOT NULL DEFAULT 0 CHECK (is_partial IN (0, 1)),
  priority            INTEGER NOT NULL DEFAULT 0,
  on_uncertain        TEXT    NOT NULL CHECK (on_uncertain IN ('hold', 'resubmit_if_absent', 'fail')),
  remote_id           TEXT,
  poll_url            TEXT,                         -- where the provider said to ask for it, if it did
  trace_id            TEXT,
  progress            REAL,
  created_at_ms       INTEGER NOT NULL,
  submitted_at_ms     INTEGER,
  started_at_ms       INTEGER,                      -- the provider's clock
  finished_at_ms      INTEGER,                      -- the provider's clock
  ended_at_ms         INTEGER,
  not_before_ms       INTEGER,
  deadline_ms         INTEGER,
  next_due_at_ms      INTEGER,                      -- when a loop looks at it again
  attempts            INTEGER NOT NULL DEFAULT 0,
  attempt_started_at_ms      INTEGER,               -- the latest attempt
  attempt_ended_at_ms        INTEGER,
  attempt_is_probably_refused INTEGER NOT NULL DEFAULT 0 CHECK (attempt_is_probably_refused IN (0, 1)),
  attempt_absent_readings    INTEGER NOT NULL DEFAULT 0,
  attempt_first_absent_at_ms INTEGER,
  polls               INTEGER NOT NULL DEFAULT 0,
  misses              INTEGER NOT NULL DEFAULT 0,
  first_miss_at_ms    INTEGER,
  failure_code        TEXT,
  failure_message     TEXT,
  failure_http_status INTEGER,
  failure_hint        TEXT,
  resolution          TEXT,
  CHECK ((ended_at_ms IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled', 'expired'))),
  CHECK ((next_due_at_ms IS NULL) = (state IN ('succeeded', 'failed', 'cancelled', 'expired'))),
  CHECK (state <> 'running' OR remote_id IS NOT NULL),
  CHECK ((failure_code IS NULL) = (failure_message IS NULL))
) STRICT;

-- What waits for its turn, in the order in which it goes.
CREATE INDEX task_queue ON task (endpoint, priority DESC, task_key) WHERE state = 'queued';
CREATE INDEX task_queue_due ON task (endpoint, next_due_at_ms) WHERE state = 'queued';
-- What a loop has to look at next, service by service. Only open tasks have a due time; SQLite uses the index where a
-- query compares that time or asks for it to be there.
CREATE INDEX task_due ON task (state, service, next_due_at_ms) WHERE next_due_at_ms IS NOT NULL;
-- What runs out of time.
CREATE INDEX task_deadline ON task (deadline_ms) WHERE deadline_ms IS NOT NULL AND next_due_at_ms IS NOT NULL;
-- Who owns a remote id.
CREATE INDEX task_remote ON task (service, remote_id) WHERE remote_id IS NOT NULL;
-- How many there are, without touching the rows; and the filters of a list, newest first.
CREATE INDEX task_list ON task (state, endpoint, task_key);
CREATE INDEX task_list_state ON task (state, task_key);
CREATE INDEX task_list_endpoint ON task (endpoint, task_key);
-- How long tasks of an endpoint took lately.
CREATE INDEX task_history ON task (endpoint, ended_at_ms) WHERE state = 'succeeded';

CREATE TABLE task_payload (
  task_key INTEGER PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  request  TEXT NOT NULL,
  response TEXT
) STRICT;

CREATE TABLE task_label (
  task_key INTEGER NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  name     TEXT    NOT NULL,
  value    TEXT    NOT NULL,
  PRIMARY KEY (task_key, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_label_value ON task_label (name, value, task_key);

-- The log: only ever appended to, in the transaction of the change that it tells of.
CREATE TABLE event (
  sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
  task_key   INTEGER NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  at_ms      INTEGER NOT NULL,
  kind       TEXT    NOT NULL,
  from_state TEXT,
  to_state   TEXT    NOT NULL,
  detail     TEXT    NOT NULL
) STRICT;
CREATE INDEX event_task ON event (task_key, sequence);

-- Keys outlive the tasks that they name, so nothing here refers to the table of tasks.
CREATE TABLE idempotency_key (
  key           TEXT    PRIMARY KEY,
  task_id       TEXT    NOT NULL,
  fingerprint   BLOB    NOT NULL,                   -- SHA-256 of the submission in canonical form
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What holds requests back: a pause by a person or an account's trouble, or a time to stay away.
CREATE TABLE gate (
  kind           TEXT    NOT NULL CHECK (kind IN ('submissions', 'polls', 'provider')),
  name           TEXT    NOT NULL,                  -- an endpoint, a service, a provider
  pause_code     TEXT,
  pause_message  TEXT,
  failures       INTEGER NOT NULL DEFAULT 0,        -- in a row
  closed_until_ms INTEGER,
  error_code     TEXT,
  error_message  TEXT,
  error_http_status INTEGER,
  error_at_ms    INTEGER,
  revision       INTEGER NOT NULL,                  -- grows with every change
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
