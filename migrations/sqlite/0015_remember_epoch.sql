-- Facts about the database itself, by name: the epoch that its witness has, a restore that a person has yet to accept, and
-- whether the file is a backup. A backup that was made before this migration has the table already.

CREATE TABLE IF NOT EXISTS meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
