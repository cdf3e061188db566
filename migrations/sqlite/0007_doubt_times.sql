-- Whether the clock was set since the latest attempt began: then nobody knows when it was, by any other clock.

ALTER TABLE task ADD COLUMN attempt_clock_was_set INTEGER NOT NULL DEFAULT 0 CHECK (attempt_clock_was_set IN (0, 1));
