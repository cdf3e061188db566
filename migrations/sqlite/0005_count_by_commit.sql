-- Tasks are counted by the store, once per commit. A trigger on the table of tasks makes SQLite keep, for every single
-- statement, a copy of each page that it touches, in case the trigger fails half-way: of inserting a task a third.

DROP TRIGGER task_count_insert;
DROP TRIGGER task_count_update;

-- Only a person deletes tasks, by hand; that must not fail for a count that is wrong.
DROP TRIGGER task_count_delete;
CREATE TRIGGER task_count_delete AFTER DELETE ON task BEGIN
  UPDATE task_count SET count = MAX(count - 1, 0) WHERE state = OLD.state AND endpoint = OLD.endpoint;
END;
