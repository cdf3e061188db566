-- The log also takes entries that belong to no task, such as that the clock was set; these lead from no state to none.
--
-- Only constraints are taken out of the table's text, so no row is touched
-- (https://sqlite.org/lang_altertable.html#otheralter, the simpler way).

PRAGMA writable_schema = ON;

UPDATE sqlite_schema SET sql = replace(replace(sql,
  'task_key   INTEGER NOT NULL REFERENCES', 'task_key   INTEGER REFERENCES'),
  'to_state   TEXT    NOT NULL', 'to_state   TEXT')
WHERE type = 'table' AND name = 'event';

PRAGMA writable_schema = RESET;
