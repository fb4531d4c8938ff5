-- Which objects of a sealed pack no retained epoch needs: a bit for each place in its footer, lowest bit first. They are
-- found no more, as if they were gone; a pack of which they are enough is written anew without them.
CREATE TABLE dead_entry (
  pack INTEGER PRIMARY KEY REFERENCES pack,
  positions BLOB NOT NULL
) STRICT;

-- How many bytes of the pack's file those objects and their lines in the footer take.
ALTER TABLE pack ADD COLUMN dead_bytes INTEGER NOT NULL DEFAULT 0;
-- What the newest collection of a generation left, and the application's newest epoch then; NULL before the first.
ALTER TABLE space ADD COLUMN live_bytes INTEGER;
ALTER TABLE space ADD COLUMN collected_epoch INTEGER;
