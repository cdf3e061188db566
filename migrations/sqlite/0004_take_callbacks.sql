-- Callbacks: whose token a delivery carries, what it said last, and how far an endpoint's callbacks can be relied on.

ALTER TABLE task ADD COLUMN has_own_callback INTEGER NOT NULL DEFAULT 0 CHECK (has_own_callback IN (0, 1));
                                                        -- its request names a callback URL of the program's own
ALTER TABLE task ADD COLUMN attempt_callback BLOB;      -- SHA-256 of the latest attempt's token, if it carried one
ALTER TABLE task ADD COLUMN callbacks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN callback_remote_id TEXT;    -- as the first delivery that named one told it
ALTER TABLE task ADD COLUMN called_back_at_ms INTEGER;  -- the latest delivery; moved with every jump of the clock since
ALTER TABLE task ADD COLUMN final_callback_at_ms INTEGER; -- the first that called it ended; moved likewise
ALTER TABLE task ADD COLUMN outcome_source TEXT CHECK (outcome_source IN ('submission', 'poll', 'callback'));

-- Every attempt's token, by its hash: the token itself is nowhere.
CREATE TABLE callback_token (
  digest      BLOB    PRIMARY KEY,                      -- SHA-256
  task_key    INTEGER NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  attempt     INTEGER NOT NULL,
  deliveries  INTEGER NOT NULL DEFAULT 0,
  had_final   INTEGER NOT NULL DEFAULT 0 CHECK (had_final IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX callback_token_task ON callback_token (task_key);

-- The best final body delivered for a task that has not ended: its outcome, should the provider forget the task.
CREATE TABLE callback_body (
  task_key  INTEGER PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  is_success INTEGER NOT NULL CHECK (is_success IN (0, 1)),
  body      TEXT    NOT NULL
) STRICT;

ALTER TABLE learned ADD COLUMN callbacks_expected INTEGER NOT NULL DEFAULT 0; -- tasks that ended and had carried our URL
ALTER TABLE learned ADD COLUMN callbacks_came INTEGER NOT NULL DEFAULT 0;     -- of these, whose end a delivery told, sooner or later
ALTER TABLE learned ADD COLUMN callback_trust REAL NOT NULL DEFAULT 0;        -- 0 … 1: how much later polls may come
ALTER TABLE learned ADD COLUMN callback_delay_ms INTEGER NOT NULL DEFAULT 0;  -- from the end to its delivery, summed up …
ALTER TABLE learned ADD COLUMN callback_delay_samples INTEGER NOT NULL DEFAULT 0; -- … over so many tasks
