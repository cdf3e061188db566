-- How far the wall clock was set since the latest attempt began: the sum of its jumps, and the lowest and the highest that
-- the sum has been. Before, only the fact was kept (attempt_clock_was_set, which is not read any more).

ALTER TABLE task ADD COLUMN attempt_clock_drift_ms   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN attempt_clock_lowest_ms  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN attempt_clock_highest_ms INTEGER NOT NULL DEFAULT 0;

-- Of these nobody has written down how far: anywhere within ten years, so that a list has to be read from end to end to
-- show that they are not in it. What was measured before proves nothing.
UPDATE task
SET attempt_clock_drift_ms = 315360000000, attempt_clock_lowest_ms = -315360000000,
  attempt_clock_highest_ms = 315360000000, attempt_absent_readings = 0, attempt_first_absent_at_ms = NULL
WHERE state IN ('submitting', 'uncertain') AND attempt_clock_was_set = 1;
