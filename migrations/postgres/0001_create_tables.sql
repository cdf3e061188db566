-- The store of Pollux in PostgreSQL: the tables and columns to which the migrations of SQLite lead. Times are milliseconds
-- since 1970 in UTC, flags are 0 or 1, JSON is text as it was received. Texts are compared by their bytes.

-- The last numbers that were given to a task and to a line of the log. Each write locks this row first, so writes of all
-- machines follow each other, and the log's order is the order of the commits.
CREATE TABLE log_counter (
  is_only    BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_only),
  last_task  BIGINT NOT NULL DEFAULT 0,
  last_event BIGINT NOT NULL DEFAULT 0
);
INSERT INTO log_counter DEFAULT VALUES;

CREATE TABLE task (
  task_key                    BIGINT PRIMARY KEY,  -- order of arrival; what other tables point at
  id                          TEXT COLLATE "C" NOT NULL UNIQUE,  -- UUIDv7, lower case
  endpoint                    TEXT COLLATE "C" NOT NULL,  -- 'midjourney/imagine'
  service                     TEXT COLLATE "C" NOT NULL,  -- 'midjourney': remote ids are unique within it
  state                       TEXT COLLATE "C" NOT NULL CHECK (state IN (
                                'queued', 'submitting', 'uncertain', 'running', 'succeeded', 'failed', 'cancelled', 'expired')),
  is_partial                  BIGINT NOT NULL DEFAULT 0 CHECK (is_partial IN (0, 1)),
  priority                    BIGINT NOT NULL DEFAULT 0,
  on_uncertain                TEXT COLLATE "C" NOT NULL CHECK (on_uncertain IN ('hold', 'resubmit_if_absent', 'fail')),
  remote_id                   TEXT COLLATE "C",
  poll_url                    TEXT COLLATE "C",  -- where the provider said to ask for it, if it did
  trace_id                    TEXT COLLATE "C",
  progress                    DOUBLE PRECISION,
  created_at_ms               BIGINT NOT NULL,
  submitted_at_ms             BIGINT,
  started_at_ms               BIGINT,  -- the provider's clock
  finished_at_ms              BIGINT,  -- the provider's clock
  ended_at_ms                 BIGINT,
  not_before_ms               BIGINT,
  deadline_ms                 BIGINT,
  next_due_at_ms              BIGINT,  -- when a loop looks at it again
  attempts                    BIGINT NOT NULL DEFAULT 0,
  attempt_started_at_ms       BIGINT,  -- the latest attempt
  attempt_ended_at_ms         BIGINT,
  attempt_is_probably_refused BIGINT NOT NULL DEFAULT 0 CHECK (attempt_is_probably_refused IN (0, 1)),
  attempt_absent_readings     BIGINT NOT NULL DEFAULT 0,
  attempt_first_absent_at_ms  BIGINT,
  polls                       BIGINT NOT NULL DEFAULT 0,
  misses                      BIGINT NOT NULL DEFAULT 0,
  first_miss_at_ms            BIGINT,
  failure_code                TEXT COLLATE "C",
  failure_message             TEXT COLLATE "C",
  failure_http_status         BIGINT,
  failure_hint                TEXT COLLATE "C",
  resolution                  TEXT COLLATE "C",
  model                       TEXT COLLATE "C",  -- as the request names it; NULL where it does not in a short word
  age_from_ms                 BIGINT,  -- when it was submitted, moved with every jump of the clock since
  last_pending_at_ms          BIGINT,  -- when a poll last found it unfinished, moved likewise
  waited_ms                   BIGINT,  -- in the provider's queue, by its own clock
  progress_at_ms              BIGINT,  -- when its progress was first seen at what it is, moved likewise
  slow_at_ms                  BIGINT,  -- when its log said `slower_than_usual`
  -- its request names a callback URL of the program's own
  has_own_callback            BIGINT NOT NULL DEFAULT 0 CHECK (has_own_callback IN (0, 1)),
  attempt_callback            BYTEA,  -- SHA-256 of the latest attempt's token, if it carried one
  callbacks                   BIGINT NOT NULL DEFAULT 0,
  callback_remote_id          TEXT COLLATE "C",  -- as the first delivery that named one told it
  called_back_at_ms           BIGINT,  -- the latest delivery; moved with every jump of the clock since
  final_callback_at_ms        BIGINT,  -- the first that called it ended; moved likewise
  outcome_source              TEXT COLLATE "C" CHECK (outcome_source IN ('submission', 'poll', 'callback')),
  attempt_clock_was_set       BIGINT NOT NULL DEFAULT 0 CHECK (attempt_clock_was_set IN (0, 1)),
  -- the first 64 bits of the record's SHA-256; NULL where none is kept, or where it was kept before there was this column
  response_digest             BIGINT,
  attempt_clock_drift_ms      BIGINT NOT NULL DEFAULT 0,
  attempt_clock_lowest_ms     BIGINT NOT NULL DEFAULT 0,
  attempt_clock_highest_ms    BIGINT NOT NULL DEFAULT 0,
  attempt_possible_ids        TEXT COLLATE "C",  -- JSON array: records that may be the latest attempt's
  callback_attempt            BIGINT,  -- whose callback or late reply told callback_remote_id
  note                        TEXT COLLATE "C",
  -- NULL until the task succeeds, and where it succeeded before there was this column
  result_count                BIGINT,
  attempt_lease               BYTEA,  -- the token under which the latest attempt was started
  retry_of                    TEXT COLLATE "C",  -- its id; NULL for a task that retries none
  -- who has its remote id, else who made its latest attempt; '' where a copy does not know
  account                     TEXT COLLATE "C" NOT NULL DEFAULT 'default',
  is_pinned                   BIGINT NOT NULL DEFAULT 0 CHECK (is_pinned IN (0, 1)),
  removed_parts               BIGINT NOT NULL DEFAULT 0,  -- 1: record and results, 2: log, 4: the rest
  removed_at_ms               BIGINT,  -- the latest of them
  notify                      TEXT COLLATE "C",  -- a destination that is notified of it in any case
  capture                     BIGINT NOT NULL DEFAULT 1 CHECK (capture IN (0, 1)),
  CHECK ((ended_at_ms IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled', 'expired'))),
  CHECK ((next_due_at_ms IS NULL) = (state IN ('succeeded', 'failed', 'cancelled', 'expired'))),
  CHECK (state <> 'running' OR remote_id IS NOT NULL),
  CHECK ((failure_code IS NULL) = (failure_message IS NULL))
);
CREATE INDEX task_queue ON task (endpoint, priority DESC, task_key) WHERE state = 'queued';
CREATE INDEX task_queue_due ON task (endpoint, next_due_at_ms) WHERE state = 'queued';
CREATE INDEX task_deadline ON task (deadline_ms) WHERE deadline_ms IS NOT NULL AND next_due_at_ms IS NOT NULL;
CREATE INDEX task_remote ON task (service, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX task_list_state ON task (state, task_key);
CREATE INDEX task_list_endpoint ON task (endpoint, task_key);
CREATE INDEX task_retry_of ON task (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX task_due ON task (state, service, account, next_due_at_ms) WHERE next_due_at_ms IS NOT NULL;
CREATE INDEX task_list ON task (state, endpoint, task_key, account);
CREATE INDEX task_removable ON task (removed_parts, state, ended_at_ms)
WHERE removed_parts < 4 AND is_pinned = 0 AND ended_at_ms IS NOT NULL;
CREATE INDEX task_stub ON task (removed_parts, ended_at_ms) WHERE removed_parts >= 7;

CREATE TABLE task_payload (
  task_key   BIGINT PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  request    TEXT COLLATE "C" NOT NULL,
  response   TEXT COLLATE "C",
  part_bytes BIGINT  -- of the texts that are not in `response`; NULL: it is whole
);

CREATE TABLE task_label (
  task_key BIGINT NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  name     TEXT COLLATE "C" NOT NULL,
  value    TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (task_key, name)
);
CREATE INDEX task_label_value ON task_label (name, value, task_key);

CREATE TABLE task_result (
  task_key   BIGINT NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  ordinal    BIGINT NOT NULL,  -- 0, 1, … in the order in which they are shown
  kind       TEXT COLLATE "C" NOT NULL,  -- 'url', 'text', 'id' or 'data'
  pointer    TEXT COLLATE "C" NOT NULL,  -- a JSON Pointer into the task's record
  value      TEXT COLLATE "C",  -- as JSON; NULL: long, and in the record at `pointer`
  media_type TEXT COLLATE "C",
  size_bytes BIGINT,
  PRIMARY KEY (task_key, ordinal)
);

CREATE TABLE task_count (
  state    TEXT COLLATE "C" NOT NULL,
  endpoint TEXT COLLATE "C" NOT NULL,
  account  TEXT COLLATE "C" NOT NULL,
  count    BIGINT NOT NULL CHECK (count >= 0),
  PRIMARY KEY (state, endpoint, account)
);

-- A task that is deleted, by the retention or by hand, is no longer counted. The store counts all other changes.
CREATE FUNCTION count_deleted_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE task_count SET count = GREATEST(count - 1, 0)
  WHERE state = OLD.state AND endpoint = OLD.endpoint
    AND account = CASE WHEN OLD.state IN ('submitting', 'running', 'uncertain') THEN OLD.account ELSE 'default' END;
  RETURN NULL;
END $$;
CREATE TRIGGER task_count_delete AFTER DELETE ON task FOR EACH ROW EXECUTE FUNCTION count_deleted_task();

-- The log: only appended to, in the transaction of the change that a line tells of.
CREATE TABLE event (
  sequence   BIGINT PRIMARY KEY,
  task_key   BIGINT REFERENCES task (task_key) ON DELETE CASCADE,
  at_ms      BIGINT NOT NULL,
  kind       TEXT COLLATE "C" NOT NULL,
  from_state TEXT COLLATE "C",
  to_state   TEXT COLLATE "C",
  detail     TEXT COLLATE "C" NOT NULL
);
CREATE INDEX event_task ON event (task_key, sequence);

CREATE TABLE idempotency_key (
  task_key    BIGINT PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  key         TEXT COLLATE "C" NOT NULL UNIQUE,
  fingerprint BYTEA NOT NULL  -- SHA-256 of the submission in canonical form
);

CREATE TABLE callback_token (
  digest     BYTEA PRIMARY KEY,  -- SHA-256
  task_key   BIGINT NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  attempt    BIGINT NOT NULL,
  deliveries BIGINT NOT NULL DEFAULT 0,
  had_final  BIGINT NOT NULL DEFAULT 0 CHECK (had_final IN (0, 1))
);
CREATE INDEX callback_token_task ON callback_token (task_key);

CREATE TABLE callback_body (
  task_key   BIGINT PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  is_success BIGINT NOT NULL CHECK (is_success IN (0, 1)),
  body       TEXT COLLATE "C" NOT NULL
);

CREATE TABLE given_up_attempt (
  task_key           BIGINT NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  number             BIGINT NOT NULL,  -- which attempt of the task
  service            TEXT COLLATE "C" NOT NULL,
  started_at_ms      BIGINT NOT NULL,
  ended_at_ms        BIGINT NOT NULL,
  ended_with_daemon  BIGINT NOT NULL CHECK (ended_with_daemon IN (0, 1)),
  clock_drift_ms     BIGINT NOT NULL,  -- the sum of the wall clock's jumps since it began,
  clock_lowest_ms    BIGINT NOT NULL,  -- the lowest
  clock_highest_ms   BIGINT NOT NULL,  -- and the highest that the sum has been
  callback           BYTEA,  -- SHA-256 of the attempt's token, if it carried one
  given_up_at_ms     BIGINT NOT NULL,
  readings           BIGINT NOT NULL DEFAULT 0,  -- of the provider's list, since then
  next_reading_at_ms BIGINT,  -- NULL once all were made, or its record was found
  remote_id          TEXT COLLATE "C",  -- the record that turned up
  account            TEXT COLLATE "C" NOT NULL DEFAULT 'default',
  PRIMARY KEY (task_key, number)
);
CREATE INDEX given_up_attempt_lost ON given_up_attempt (service, started_at_ms) WHERE remote_id IS NULL;
CREATE INDEX given_up_attempt_remote ON given_up_attempt (service, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX given_up_attempt_due ON given_up_attempt (service, account, next_reading_at_ms)
  WHERE next_reading_at_ms IS NOT NULL;

CREATE TABLE learned (
  endpoint               TEXT COLLATE "C" NOT NULL,
  model                  TEXT COLLATE "C" NOT NULL,  -- '' for all tasks of the endpoint
  durations              TEXT COLLATE "C",  -- in the polling policy's own form
  wait_ms                BIGINT,  -- usual time in the provider's queue, where it tells
  starts_told            DOUBLE PRECISION NOT NULL,  -- of how many tasks it told the start before the end, lately
  finished               BIGINT NOT NULL,  -- tasks that ended at the provider
  calls                  DOUBLE PRECISION NOT NULL,  -- status queries; one for n tasks is an nth for each
  lateness_ms            BIGINT NOT NULL,  -- summed up …
  lateness_samples       BIGINT NOT NULL,  -- … over so many tasks
  throttled              BIGINT NOT NULL,  -- replies "too many requests"
  callbacks_expected     BIGINT NOT NULL DEFAULT 0,  -- tasks that ended and had carried our URL
  callbacks_came         BIGINT NOT NULL DEFAULT 0,  -- of these, whose end a delivery told, sooner or later
  callback_trust         DOUBLE PRECISION NOT NULL DEFAULT 0,  -- 0 … 1: how much later polls may come
  callback_delay_ms      BIGINT NOT NULL DEFAULT 0,  -- from the end to its delivery, summed up …
  callback_delay_samples BIGINT NOT NULL DEFAULT 0,  -- … over so many tasks
  PRIMARY KEY (endpoint, model)
);

CREATE TABLE gate (
  kind              TEXT COLLATE "C" NOT NULL CHECK (kind IN ('submissions', 'polls', 'provider')),
  name              TEXT COLLATE "C" NOT NULL,  -- an endpoint, a service, a provider
  account           TEXT COLLATE "C" NOT NULL,
  pause_code        TEXT COLLATE "C",
  pause_message     TEXT COLLATE "C",
  failures          BIGINT NOT NULL DEFAULT 0,  -- in a row
  closed_until_ms   BIGINT,
  error_code        TEXT COLLATE "C",
  error_message     TEXT COLLATE "C",
  error_http_status BIGINT,
  error_at_ms       BIGINT,
  revision          BIGINT NOT NULL,  -- grows with every change
  PRIMARY KEY (kind, name, account)
);

CREATE TABLE lease (
  name          TEXT COLLATE "C" NOT NULL PRIMARY KEY,  -- provider/account
  holder        TEXT COLLATE "C" NOT NULL,  -- the process, for messages
  token         BYTEA NOT NULL CHECK (length(token) = 16),  -- random; names the holder in every claim
  expires_at_ms BIGINT  -- NULL: ends with the instance lock of its holder
);

CREATE TABLE meta (
  name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE destination (
  name          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  cursor        BIGINT NOT NULL,  -- every event up to here is delivered, has a row, or is not for it
  generation    BIGINT NOT NULL DEFAULT 0,  -- grows when a person changes what is to be delivered
  failures      BIGINT NOT NULL DEFAULT 0,  -- in a row
  closed_at_ms  BIGINT,  -- since when it counts as unreachable
  probes        BIGINT NOT NULL DEFAULT 0,  -- that failed since then
  not_before_ms BIGINT,  -- nothing is sent sooner
  is_stopped    BIGINT NOT NULL DEFAULT 0 CHECK (is_stopped IN (0, 1)),  -- it answered 410
  failed_at_ms  BIGINT,  -- the latest failure
  status        BIGINT,  -- its HTTP status or exit code
  reason        TEXT COLLATE "C"
);

CREATE TABLE delivery (
  destination TEXT COLLATE "C" NOT NULL,
  sequence    BIGINT NOT NULL,  -- of the event
  task_key    BIGINT REFERENCES task (task_key) ON DELETE CASCADE,
  type        TEXT COLLATE "C" NOT NULL,  -- task.succeeded
  at_ms       BIGINT NOT NULL,  -- of the event
  attempts    BIGINT NOT NULL,
  next_at_ms  BIGINT,  -- not sooner; NULL: as soon as its turn comes
  tried_at_ms BIGINT,
  is_dead     BIGINT NOT NULL CHECK (is_dead IN (0, 1)),
  status      BIGINT,  -- of the latest failure, as above
  reason      TEXT COLLATE "C",
  answer      TEXT COLLATE "C",  -- the end or beginning of what it answered
  PRIMARY KEY (destination, sequence)
);
CREATE INDEX delivery_state ON delivery (destination, is_dead, sequence);
CREATE INDEX delivery_task ON delivery (task_key, is_dead);

CREATE TABLE artefact (
  task_key        BIGINT NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  ordinal         BIGINT NOT NULL,  -- that of the result in task_result
  state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'saved', 'removing', 'removed', 'gone', 'refused')),
  url             TEXT COLLATE "C" NOT NULL,  -- where it is fetched from next
  host            TEXT COLLATE "C" NOT NULL,  -- of the URL, with its port
  attempts        BIGINT NOT NULL,
  next_at_ms      BIGINT NOT NULL,  -- when it is tried again while it is waiting
  expires_at_ms   BIGINT NOT NULL,  -- when the URL stops working; 9223372036854775807: not known
  lacks_room      BIGINT NOT NULL CHECK (lacks_room IN (0, 1)),  -- 1: it waits for room on disk
  saved_at_ms     BIGINT,  -- this and the next four while it is saved or being removed
  sha256          TEXT COLLATE "C",  -- of the object on disk
  size_bytes      BIGINT,
  media_type      TEXT COLLATE "C",
  name            TEXT COLLATE "C",  -- below the directory of the artefacts
  delivered_at_ms BIGINT,  -- when a client first had the whole file
  error           TEXT COLLATE "C",  -- why the latest attempt failed, or why the file was removed
  PRIMARY KEY (task_key, ordinal)
);
CREATE INDEX artefact_expiry ON artefact (expires_at_ms, next_at_ms, host) WHERE state = 'waiting';
CREATE INDEX artefact_next ON artefact (next_at_ms) WHERE state = 'waiting';
CREATE INDEX artefact_room ON artefact (lacks_room) WHERE lacks_room = 1;
CREATE INDEX artefact_object ON artefact (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX artefact_removal ON artefact (saved_at_ms) WHERE state = 'removing';
CREATE INDEX artefact_age ON artefact (saved_at_ms) WHERE state = 'saved' AND url <> '';
CREATE INDEX artefact_delivered ON artefact (delivered_at_ms)
  WHERE state = 'saved' AND url <> '' AND delivered_at_ms IS NOT NULL;

CREATE TABLE record_part (
  task_key   BIGINT NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  ordinal    BIGINT NOT NULL,  -- 0, 1, … in the order of the record
  pointer    TEXT COLLATE "C" NOT NULL,  -- a JSON Pointer into the task's record
  prefix     TEXT COLLATE "C" NOT NULL,  -- what stands before the base64: 'data:image/png;base64,'
  sha256     TEXT COLLATE "C" NOT NULL,  -- of the bytes, and the name of their file
  size_bytes BIGINT NOT NULL,
  PRIMARY KEY (task_key, ordinal)
);
CREATE INDEX record_part_file ON record_part (sha256);

CREATE TABLE part_removal (
  sha256 TEXT COLLATE "C" PRIMARY KEY
);

CREATE TABLE part_content (
  sha256  TEXT COLLATE "C" PRIMARY KEY,
  content BYTEA NOT NULL
);

CREATE TABLE gateway_token (
  name          TEXT COLLATE "C" PRIMARY KEY,
  digest        BYTEA NOT NULL UNIQUE,  -- SHA-256
  created_at_ms BIGINT NOT NULL
);

CREATE TABLE gateway_message (
  task_key     BIGINT PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  query        TEXT COLLATE "C" NOT NULL,  -- of the address, without credentials
  headers      TEXT COLLATE "C" NOT NULL,  -- a JSON object, without credentials
  content_type TEXT COLLATE "C",  -- NULL where the body is the JSON of task_payload.request
  body         BYTEA,
  -- where the provider's paths begin at the gateway, as the program of the task addresses it; empty where that is not known
  address      TEXT COLLATE "C" NOT NULL DEFAULT ''
);

CREATE TABLE gateway_reply (
  task_key     BIGINT PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  status       BIGINT NOT NULL,
  content_type TEXT COLLATE "C" NOT NULL,
  body         BYTEA NOT NULL
);

CREATE TABLE gateway_exchange (
  exchange_key BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,  -- no number is used twice
  task_key     BIGINT NOT NULL REFERENCES task (task_key) ON DELETE CASCADE,
  content_key  BYTEA NOT NULL,  -- SHA-256 of what makes two requests equal
  mark         BIGINT NOT NULL,  -- identifies the arrival
  fate         TEXT COLLATE "C" NOT NULL CHECK (fate IN ('open', 'undelivered', 'unanswered', 'delivered')),
  since_ms     BIGINT NOT NULL  -- when the fate was known; the arrival of an open one
);
CREATE INDEX gateway_exchange_content ON gateway_exchange (content_key, exchange_key);
CREATE INDEX gateway_exchange_task ON gateway_exchange (task_key);
CREATE INDEX gateway_exchange_fate ON gateway_exchange (fate, since_ms);

CREATE TABLE joinable_submission (
  task_key         BIGINT PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  content_key      BYTEA NOT NULL,  -- SHA-256 of agent, endpoint and request
  collected_end_ms BIGINT  -- the end of the task that the agent was shown
);
CREATE INDEX joinable_submission_content ON joinable_submission (content_key, task_key);

CREATE TABLE ledger (
  entry           BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  task            TEXT COLLATE "C" NOT NULL,
  attempt         BIGINT NOT NULL,
  kind            TEXT COLLATE "C" NOT NULL CHECK (kind IN ('reserve', 'settle', 'release')),
  at_ms           BIGINT NOT NULL,
  started_at_ms   BIGINT NOT NULL,  -- of the attempt: the period in which it counts
  unit            TEXT COLLATE "C",  -- NULL: no price told what it costs
  reserved_micros BIGINT NOT NULL,  -- changes of what is reserved, of what is spent, and of
  spent_micros    BIGINT NOT NULL,  -- the number of attempts whose cost is unknown
  unpriced        BIGINT NOT NULL,
  provider        TEXT COLLATE "C" NOT NULL,
  account         TEXT COLLATE "C" NOT NULL,
  endpoint        TEXT COLLATE "C" NOT NULL,
  labels          TEXT COLLATE "C",  -- JSON object with sorted names; NULL for none
  terms           TEXT COLLATE "C"  -- of a reservation, as JSON: how its attempt is settled
);
CREATE INDEX ledger_attempt ON ledger (task, attempt);
CREATE INDEX ledger_started ON ledger (started_at_ms);

CREATE FUNCTION refuse_ledger_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a line of the ledger never changes';
END $$;
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE ON ledger
FOR EACH ROW EXECUTE FUNCTION refuse_ledger_update();

CREATE TABLE budget (
  name             TEXT COLLATE "C" PRIMARY KEY,
  definition       TEXT COLLATE "C" NOT NULL,  -- JSON
  metered_from_ms  BIGINT NOT NULL,  -- periods that begin earlier are summed from the ledger
  set_limit_micros BIGINT,  -- the limit that a person has set,
  set_until_ms     BIGINT  -- and until when; NULL: for good
);

CREATE TABLE budget_meter (
  budget          TEXT COLLATE "C" NOT NULL,
  share           TEXT COLLATE "C" NOT NULL,  -- the label's value; empty if the budget is not divided
  period_start_ms BIGINT NOT NULL,
  reserved_micros BIGINT NOT NULL,
  spent_micros    BIGINT NOT NULL,
  told            BIGINT NOT NULL DEFAULT 0,  -- bits: 1 for the warning, 2 for the exceeded limit
  PRIMARY KEY (budget, share, period_start_ms)
);

CREATE TABLE budget_hold (
  task_key        BIGINT PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  budget          TEXT COLLATE "C" NOT NULL,
  share           TEXT COLLATE "C" NOT NULL,
  estimate_micros BIGINT NOT NULL,  -- -1 if no price tells it
  held_at_ms      BIGINT NOT NULL
);
CREATE INDEX budget_hold_order ON budget_hold (budget, share, estimate_micros);

CREATE TABLE budget_approval (
  task_key       BIGINT PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  approved_at_ms BIGINT NOT NULL,
  attempt        BIGINT  -- the attempt that used it
);
