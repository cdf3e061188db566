-- Which record is kept of a task, known without reading it: a provider mostly answers what it answered before, and to
-- find that out a page of the records had to be read for every task that was asked about.

ALTER TABLE task ADD COLUMN response_digest INTEGER;    -- the first 64 bits of the record's SHA-256; NULL where none
                                                        -- is kept, or where it was kept before there was this column
