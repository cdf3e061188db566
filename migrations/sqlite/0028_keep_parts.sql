-- Long base64 values of records, whose bytes are in files. The record has an empty string in their places.

ALTER TABLE task_payload ADD COLUMN part_bytes INTEGER;   -- of the texts that are not in `response`; NULL: it is whole

CREATE TABLE record_part (
  task_key   INTEGER NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  ordinal    INTEGER NOT NULL,                      -- 0, 1, … in the order of the record
  pointer    TEXT    NOT NULL,                      -- a JSON Pointer into the task's record
  prefix     TEXT    NOT NULL,                      -- what stands before the base64: 'data:image/png;base64,'
  sha256     TEXT    NOT NULL,                      -- of the bytes, and the name of their file
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (task_key, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_part_file ON record_part (sha256);

-- Files that a record had, or was to have. They are removed from disk unless another record has them.
CREATE TABLE part_removal (
  sha256 TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The bytes of the files, in backups only. A start writes them to files again.
CREATE TABLE part_content (
  sha256  TEXT PRIMARY KEY,
  content BLOB NOT NULL
) STRICT;

-- A result whose value is such a part is a file without a URL. It goes with the record: neither age nor room removes it.
DROP INDEX artefact_age;
CREATE INDEX artefact_age ON artefact (saved_at_ms) WHERE state = 'saved' AND url <> '';
DROP INDEX artefact_delivered;
CREATE INDEX artefact_delivered ON artefact (delivered_at_ms)
  WHERE state = 'saved' AND url <> '' AND delivered_at_ms IS NOT NULL;
