-- What attempts cost. A line is written in the commit that starts or settles the attempt, and never changes. The table
-- refers to no other, since a budget counts what a removed task has cost.
CREATE TABLE ledger (
  entry           INTEGER PRIMARY KEY AUTOINCREMENT,
  task            TEXT    NOT NULL,
  attempt         INTEGER NOT NULL,
  kind            TEXT    NOT NULL CHECK (kind IN ('reserve', 'settle', 'release')),
  at_ms           INTEGER NOT NULL,
  started_at_ms   INTEGER NOT NULL,                       -- of the attempt: the period in which it counts
  unit            TEXT,                                   -- NULL: no price told what it costs
  reserved_micros INTEGER NOT NULL,                       -- changes of what is reserved, of what is spent, and of
  spent_micros    INTEGER NOT NULL,                       -- the number of attempts whose cost is unknown
  unpriced        INTEGER NOT NULL,
  provider        TEXT    NOT NULL,
  account         TEXT    NOT NULL,
  endpoint        TEXT    NOT NULL,
  labels          TEXT,                                   -- JSON object with sorted names; NULL for none
  terms           TEXT                                    -- of a reservation, as JSON: how its attempt is settled
) STRICT;
CREATE INDEX ledger_attempt ON ledger (task, attempt);
CREATE INDEX ledger_started ON ledger (started_at_ms);
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE ON ledger BEGIN
  SELECT RAISE(ABORT, 'a line of the ledger never changes');
END;

-- The budgets of the settings, so that a commit decides by rows.
CREATE TABLE budget (
  name              TEXT    PRIMARY KEY,
  definition        TEXT    NOT NULL,                     -- JSON
  metered_from_ms   INTEGER NOT NULL,                     -- periods that begin earlier are summed from the ledger
  set_limit_micros  INTEGER,                              -- the limit that a person has set,
  set_until_ms      INTEGER                               -- and until when; NULL: for good
) STRICT, WITHOUT ROWID;

-- The sums of the ledger for each budget, period and share of its limit.
CREATE TABLE budget_meter (
  budget          TEXT    NOT NULL,
  share           TEXT    NOT NULL,                       -- the label's value; empty if the budget is not divided
  period_start_ms INTEGER NOT NULL,
  reserved_micros INTEGER NOT NULL,
  spent_micros    INTEGER NOT NULL,
  told            INTEGER NOT NULL DEFAULT 0,             -- bits: 1 for the warning, 2 for the exceeded limit
  PRIMARY KEY (budget, share, period_start_ms)
) STRICT, WITHOUT ROWID;

-- Queued tasks for which a budget has no room.
CREATE TABLE budget_hold (
  task_key        INTEGER PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  budget          TEXT    NOT NULL,
  share           TEXT    NOT NULL,
  estimate_micros INTEGER NOT NULL,                       -- -1 if no price tells it
  held_at_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX budget_hold_order ON budget_hold (budget, share, estimate_micros);

-- Tasks that a person lets exceed their budgets, once.
CREATE TABLE budget_approval (
  task_key       INTEGER PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  approved_at_ms INTEGER NOT NULL,
  attempt        INTEGER                                  -- the attempt that used it
) STRICT;
