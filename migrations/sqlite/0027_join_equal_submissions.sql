-- Submissions of agents that an equal one joins instead of paying again.
CREATE TABLE joinable_submission (
  task_key         INTEGER PRIMARY KEY REFERENCES task (task_key) ON DELETE CASCADE,
  content_key      BLOB    NOT NULL,                 -- SHA-256 of agent, endpoint and request
  collected_end_ms INTEGER                          -- the end of the task that the agent was shown
) STRICT;
CREATE INDEX joinable_submission_content ON joinable_submission (content_key, task_key);
