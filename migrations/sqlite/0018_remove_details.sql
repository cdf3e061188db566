-- Which details of an ended task were removed, and which tasks keep theirs. A task without any details is a stub: its row,
-- its labels and the attempts that own a remote id stay, so that its key answers and no other task takes its remote id.

ALTER TABLE task ADD COLUMN is_pinned     INTEGER NOT NULL DEFAULT 0 CHECK (is_pinned = 0 OR is_pinned = 1);
ALTER TABLE task ADD COLUMN removed_parts INTEGER NOT NULL DEFAULT 0;  -- 1: record and results, 2: log, 4: the rest
ALTER TABLE task ADD COLUMN removed_at_ms INTEGER;                     -- the latest of them

-- What may be removed next, oldest end first. Stubs are not in it.
CREATE INDEX task_removable ON task (removed_parts, state, ended_at_ms)
WHERE removed_parts < 4 AND is_pinned = 0 AND ended_at_ms IS NOT NULL;

-- Keys by their age.
CREATE INDEX idempotency_key_age ON idempotency_key (created_at_ms);
