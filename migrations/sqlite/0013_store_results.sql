-- The results of tasks, as they were named when the success was observed. A definition that changes later does not change
-- them.

CREATE TABLE task_result (
  task_key   INTEGER NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  ordinal    INTEGER NOT NULL,                      -- 0, 1, … in the order in which they are shown
  kind       TEXT    NOT NULL,                      -- 'url', 'text', 'id' or 'data'
  pointer    TEXT    NOT NULL,                      -- a JSON Pointer into the task's record
  value      TEXT,                                  -- as JSON; NULL: long, and in the record at `pointer`
  media_type TEXT,
  size_bytes INTEGER,
  PRIMARY KEY (task_key, ordinal)
) STRICT, WITHOUT ROWID;

ALTER TABLE task ADD COLUMN result_count INTEGER;   -- NULL until the task succeeds, and where it succeeded before there
                                                    -- was this column
