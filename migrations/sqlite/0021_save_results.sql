-- The files behind the URLs of results: which are to be fetched, and which are on disk.

CREATE TABLE artefact (
  task_key      INTEGER NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  ordinal       INTEGER NOT NULL,                   -- that of the result in task_result
  state         TEXT    NOT NULL CHECK (state IN ('waiting', 'saved', 'gone', 'refused')),
  url           TEXT    NOT NULL,                   -- where it is fetched from next
  host          TEXT    NOT NULL,                   -- of the URL, with its port
  attempts      INTEGER NOT NULL,
  next_at_ms    INTEGER NOT NULL,                   -- when it is tried again while it is waiting
  expires_at_ms INTEGER NOT NULL,                   -- when the URL stops working; 9223372036854775807: not known
  sha256        TEXT,                               -- the object on disk; this and the next three once it is saved
  size_bytes    INTEGER,
  media_type    TEXT,
  name          TEXT,                               -- below the directory of the artefacts
  error         TEXT,                               -- why the latest attempt failed
  PRIMARY KEY (task_key, ordinal)
) STRICT, WITHOUT ROWID;

-- What is fetched first, and when the next one is due. Saved files are in neither.
CREATE INDEX artefact_expiry ON artefact (expires_at_ms, next_at_ms, host) WHERE state = 'waiting';
CREATE INDEX artefact_next ON artefact (next_at_ms) WHERE state = 'waiting';

CREATE INDEX artefact_object ON artefact (sha256) WHERE sha256 IS NOT NULL;
