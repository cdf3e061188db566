-- Who may start the work of an account: one process at a time.

CREATE TABLE lease (
  name          TEXT    NOT NULL PRIMARY KEY,             -- provider/account
  holder        TEXT    NOT NULL,                         -- the process, for messages
  token         BLOB    NOT NULL CHECK (length(token) = 16),  -- random; names the holder in every claim
  expires_at_ms INTEGER                                   -- NULL: ends with the instance lock of its holder
) STRICT, WITHOUT ROWID;

ALTER TABLE task ADD COLUMN attempt_lease BLOB;           -- the token under which the latest attempt was started
