-- What the poller learns, and what its schedule of a task rests on.

ALTER TABLE task ADD COLUMN model TEXT;                 -- as the request names it; NULL where it does not in a short word
ALTER TABLE task ADD COLUMN age_from_ms INTEGER;        -- when it was submitted, moved with every jump of the clock since
ALTER TABLE task ADD COLUMN last_pending_at_ms INTEGER; -- when a poll last found it unfinished, moved likewise
ALTER TABLE task ADD COLUMN waited_ms INTEGER;          -- in the provider's queue, by its own clock
ALTER TABLE task ADD COLUMN progress_at_ms INTEGER;     -- when its progress was first seen at what it is, moved likewise
ALTER TABLE task ADD COLUMN slow_at_ms INTEGER;         -- when its log said `slower_than_usual`

UPDATE task SET age_from_ms = submitted_at_ms WHERE next_due_at_ms IS NOT NULL;

-- How long tasks take and what noticing their ends costs: one row per endpoint, and one per model there.
CREATE TABLE learned (
  endpoint         TEXT    NOT NULL,
  model            TEXT    NOT NULL,                    -- '' for all tasks of the endpoint
  durations        TEXT,                                -- in the polling policy's own form
  wait_ms          INTEGER,                             -- usual time in the provider's queue, where it tells
  starts_told      REAL    NOT NULL,                    -- of how many tasks it told the start before the end, lately
  finished         INTEGER NOT NULL,                    -- tasks that ended at the provider
  calls            REAL    NOT NULL,                    -- status queries; one for n tasks is an nth for each
  lateness_ms      INTEGER NOT NULL,                    -- summed up …
  lateness_samples INTEGER NOT NULL,                    -- … over so many tasks
  throttled        INTEGER NOT NULL,                    -- answers "too many requests"
  PRIMARY KEY (endpoint, model)
) STRICT, WITHOUT ROWID;

-- Experience has its own table now, so nobody reads the latest ends of an endpoint any more.
DROP INDEX task_history;
