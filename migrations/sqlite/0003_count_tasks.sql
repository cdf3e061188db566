-- How many tasks there are of each endpoint in each state, kept up to date by the database itself: counting a million
-- of them at every start and for every look at the status takes most of a second.

CREATE TABLE task_count (
  state    TEXT    NOT NULL,
  endpoint TEXT    NOT NULL,
  count    INTEGER NOT NULL CHECK (count >= 0),
  PRIMARY KEY (state, endpoint)
) STRICT, WITHOUT ROWID;

INSERT INTO task_count (state, endpoint, count) SELECT state, endpoint, COUNT(*) FROM task GROUP BY state, endpoint;

CREATE TRIGGER task_count_insert AFTER INSERT ON task BEGIN
  INSERT INTO task_count (state, endpoint, count) VALUES (NEW.state, NEW.endpoint, 1)
  ON CONFLICT (state, endpoint) DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER task_count_update AFTER UPDATE OF state, endpoint ON task
WHEN NEW.state <> OLD.state OR NEW.endpoint <> OLD.endpoint BEGIN
  UPDATE task_count SET count = count - 1 WHERE state = OLD.state AND endpoint = OLD.endpoint;
  INSERT INTO task_count (state, endpoint, count) VALUES (NEW.state, NEW.endpoint, 1)
  ON CONFLICT (state, endpoint) DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER task_count_delete AFTER DELETE ON task BEGIN
  UPDATE task_count SET count = count - 1 WHERE state = OLD.state AND endpoint = OLD.endpoint;
END;
