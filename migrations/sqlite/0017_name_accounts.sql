-- A provider may have several accounts. What was sent before this migration was sent by the account 'default'.

ALTER TABLE task ADD COLUMN account TEXT NOT NULL DEFAULT 'default';  -- who has its remote id, else who made its latest
                                                                     -- attempt; '' where a copy does not know
ALTER TABLE given_up_attempt ADD COLUMN account TEXT NOT NULL DEFAULT 'default';

-- Tasks are polled and looked for account by account.
DROP INDEX task_due;
CREATE INDEX task_due ON task (state, service, account, next_due_at_ms) WHERE next_due_at_ms IS NOT NULL;
DROP INDEX given_up_attempt_due;
CREATE INDEX given_up_attempt_due ON given_up_attempt (service, account, next_reading_at_ms)
  WHERE next_reading_at_ms IS NOT NULL;
-- With the account, so that counting the tasks of each account reads no row.
DROP INDEX task_list;
CREATE INDEX task_list ON task (state, endpoint, task_key, account);

-- Each account has its own limits. Tasks that nobody has and nobody is sending count under 'default'.
DROP TRIGGER task_count_delete;
DROP TABLE task_count;
CREATE TABLE task_count (
  state    TEXT    NOT NULL,
  endpoint TEXT    NOT NULL,
  account  TEXT    NOT NULL,
  count    INTEGER NOT NULL CHECK (count >= 0),
  PRIMARY KEY (state, endpoint, account)
) STRICT, WITHOUT ROWID;
INSERT INTO task_count (state, endpoint, account, count)
SELECT state, endpoint, 'default', COUNT(*) FROM task GROUP BY state, endpoint;
CREATE TRIGGER task_count_delete AFTER DELETE ON task BEGIN
  UPDATE task_count SET count = MAX(count - 1, 0)
  WHERE state = OLD.state AND endpoint = OLD.endpoint
    AND account = CASE WHEN OLD.state IN ('submitting', 'running', 'uncertain') THEN OLD.account ELSE 'default' END;
END;

-- A breaker belongs to an account. The pause of an endpoint belongs to none: its account is ''.
ALTER TABLE gate RENAME TO old_gate;
CREATE TABLE gate (
  kind           TEXT    NOT NULL CHECK (kind IN ('submissions', 'polls', 'provider')),
  name           TEXT    NOT NULL,                  -- an endpoint, a service, a provider
  account        TEXT    NOT NULL,
  pause_code     TEXT,
  pause_message  TEXT,
  failures       INTEGER NOT NULL DEFAULT 0,        -- in a row
  closed_until_ms INTEGER,
  error_code     TEXT,
  error_message  TEXT,
  error_http_status INTEGER,
  error_at_ms    INTEGER,
  revision       INTEGER NOT NULL,                  -- grows with every change
  PRIMARY KEY (kind, name, account)
) STRICT, WITHOUT ROWID;
INSERT INTO gate
SELECT kind, name, 'default', CASE WHEN kind <> 'submissions' THEN pause_code END,
  CASE WHEN kind <> 'submissions' THEN pause_message END, failures, closed_until_ms, error_code, error_message,
  error_http_status, error_at_ms, revision
FROM old_gate;
INSERT INTO gate (kind, name, account, pause_code, pause_message, revision)
SELECT kind, name, '', pause_code, pause_message, revision FROM old_gate
WHERE kind = 'submissions' AND pause_code IS NOT NULL;
DROP TABLE old_gate;
