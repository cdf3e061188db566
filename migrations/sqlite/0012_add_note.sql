-- A free text that a program gives a task at submit and that is shown with it; NULL where it gave none.

ALTER TABLE task ADD COLUMN note TEXT;
