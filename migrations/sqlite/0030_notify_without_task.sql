-- A notification may be about an event that belongs to no task, such as the end of a reconciliation.
--
-- Only a constraint is taken out of the table's text, so no row is touched
-- (https://sqlite.org/lang_altertable.html#otheralter, the simpler way).

PRAGMA writable_schema = ON;

UPDATE sqlite_schema SET sql = replace(sql,
  'task_key    INTEGER NOT NULL REFERENCES', 'task_key    INTEGER REFERENCES')
WHERE type = 'table' AND name = 'delivery';

PRAGMA writable_schema = RESET;
