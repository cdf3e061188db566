-- The files behind the URLs of results: which are to be fetched, which are on disk, and which are to be removed.

-- 0: the files of its results are not fetched by themselves.
ALTER TABLE task ADD COLUMN capture INTEGER NOT NULL DEFAULT 1 CHECK (capture = 0 OR capture = 1);

CREATE TABLE artefact (
  task_key        INTEGER NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  ordinal         INTEGER NOT NULL,                 -- that of the result in task_result
  state           TEXT    NOT NULL CHECK (state IN ('waiting', 'saved', 'removing', 'removed', 'gone', 'refused')),
  url             TEXT    NOT NULL,                 -- where it is fetched from next
  host            TEXT    NOT NULL,                 -- of the URL, with its port
  attempts        INTEGER NOT NULL,
  next_at_ms      INTEGER NOT NULL,                 -- when it is tried again while it is waiting
  expires_at_ms   INTEGER NOT NULL,                 -- when the URL stops working; 9223372036854775807: not known
  lacks_room      INTEGER NOT NULL CHECK (lacks_room = 0 OR lacks_room = 1),  -- 1: it waits for room on disk
  saved_at_ms     INTEGER,                          -- this and the next four while it is saved or being removed
  sha256          TEXT,                             -- of the object on disk
  size_bytes      INTEGER,
  media_type      TEXT,
  name            TEXT,                             -- below the directory of the artefacts
  delivered_at_ms INTEGER,                          -- when a client first had the whole file
  error           TEXT,                             -- why the latest attempt failed, or why the file was removed
  PRIMARY KEY (task_key, ordinal)
) STRICT, WITHOUT ROWID;

-- What is fetched first, and when the next one is due. Saved files are in neither.
CREATE INDEX artefact_expiry ON artefact (expires_at_ms, next_at_ms, host) WHERE state = 'waiting';
CREATE INDEX artefact_next ON artefact (next_at_ms) WHERE state = 'waiting';
CREATE INDEX artefact_room ON artefact (lacks_room) WHERE lacks_room = 1;

CREATE INDEX artefact_object ON artefact (sha256) WHERE sha256 IS NOT NULL;

-- What is too old, what clients have already, and what is to be removed from disk.
CREATE INDEX artefact_age ON artefact (saved_at_ms) WHERE state = 'saved';
CREATE INDEX artefact_delivered ON artefact (delivered_at_ms) WHERE state = 'saved' AND delivered_at_ms IS NOT NULL;
CREATE INDEX artefact_removal ON artefact (saved_at_ms) WHERE state = 'removing';
