-- What a row is checked for stays the same, told without lists: for each list of more than two values SQLite makes a
-- table of its own at every insertion, and at every update of a column that is checked, as the next due time is at every
-- poll. Those tables were half of what inserting a task took.
--
-- Only the text of the checks changes, so no row is touched (https://sqlite.org/lang_altertable.html#otheralter, the
-- simpler way).

PRAGMA writable_schema = ON;

UPDATE sqlite_schema SET sql = replace(replace(replace(replace(sql,
  'state IN (
                        ''queued'', ''submitting'', ''uncertain'', ''running'', ''succeeded'', ''failed'', ''cancelled'', ''expired''))',
  'state = ''queued'' OR state = ''submitting'' OR state = ''uncertain'' OR state = ''running''
                        OR state = ''succeeded'' OR state = ''failed'' OR state = ''cancelled'' OR state = ''expired'')'),
  'on_uncertain IN (''hold'', ''resubmit_if_absent'', ''fail'')',
  'on_uncertain = ''hold'' OR on_uncertain = ''resubmit_if_absent'' OR on_uncertain = ''fail'''),
  'state IN (''succeeded'', ''failed'', ''cancelled'', ''expired'')',
  'state = ''succeeded'' OR state = ''failed'' OR state = ''cancelled'' OR state = ''expired'''),
  'outcome_source IN (''submission'', ''poll'', ''callback'')',
  'outcome_source = ''submission'' OR outcome_source = ''poll'' OR outcome_source = ''callback''')
WHERE type = 'table' AND name = 'task';

PRAGMA writable_schema = RESET;
