-- Tasks are counted by the store, once per commit. A trigger on the table of tasks makes SQLite keep, for every single
-- statement, a copy of each page that it touches, in case the trigger fails half-way: of inserting a task that was a third.

DROP TRIGGER task_count_insert;
DROP TRIGGER task_count_update;
