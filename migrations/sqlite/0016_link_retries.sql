-- The task that a task retries: the same request, submitted and paid for again.

ALTER TABLE task ADD COLUMN retry_of TEXT;                -- its id; NULL for a task that retries none

-- Finds the retries of a task.
CREATE INDEX task_retry_of ON task (retry_of) WHERE retry_of IS NOT NULL;
