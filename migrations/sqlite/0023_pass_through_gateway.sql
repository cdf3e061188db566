-- The gateway: programs send their requests here instead of to the provider.

-- Its tokens. A program shows one; only the digest is stored.
CREATE TABLE gateway_token (
  name          TEXT    PRIMARY KEY,
  digest        BLOB    NOT NULL UNIQUE,            -- SHA-256
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a program sent besides the members of its request.
CREATE TABLE gateway_message (
  task_key     INTEGER PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  query        TEXT    NOT NULL,                    -- of the address, without credentials
  headers      TEXT    NOT NULL,                    -- a JSON object, without credentials
  content_type TEXT,                                -- NULL where the body is the JSON of task_payload.request
  body         BLOB
) STRICT;

-- The provider's reply to the submission, as it came.
CREATE TABLE gateway_reply (
  task_key     INTEGER PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  status       INTEGER NOT NULL,
  content_type TEXT    NOT NULL,
  body         BLOB    NOT NULL
) STRICT;

-- Requests that submitted a task, each until an equal one claims it or until it can be claimed no more.
CREATE TABLE gateway_exchange (
  exchange_key INTEGER PRIMARY KEY AUTOINCREMENT,   -- no number is used twice
  task_key     INTEGER NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  content_key  BLOB    NOT NULL,                    -- SHA-256 of what makes two requests equal
  mark         INTEGER NOT NULL,                    -- identifies the arrival
  fate         TEXT    NOT NULL CHECK (fate IN ('open', 'undelivered', 'unanswered', 'delivered')),
  since_ms     INTEGER NOT NULL                     -- when the fate was known; the arrival of an open one
) STRICT;
CREATE INDEX gateway_exchange_content ON gateway_exchange (content_key, exchange_key);
CREATE INDEX gateway_exchange_task ON gateway_exchange (task_key);
CREATE INDEX gateway_exchange_fate ON gateway_exchange (fate, since_ms);
