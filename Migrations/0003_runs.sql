-- Where an object lies in a finished pack is what the pack's own footer says. Sorted runs, files of their own in runs/,
-- say which packs to ask; they are built from the footers, and can be built again at any time.
CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  space INTEGER NOT NULL REFERENCES space,
  entry_count INTEGER NOT NULL
) STRICT;
CREATE INDEX run_space ON run (space);

-- What an unfinished pack durably holds, as its footer will say it: filed by pack, one row a batch.
CREATE TABLE open_entry (
  pack INTEGER NOT NULL REFERENCES pack,
  batch INTEGER NOT NULL,
  entries BLOB NOT NULL,
  PRIMARY KEY (pack, batch)
) STRICT, WITHOUT ROWID;

-- The name of an open pack that has its footer and waits for its commit.
ALTER TABLE pack ADD COLUMN finished BLOB CHECK (length(finished) = 32);
-- Whether the runs list the pack's objects.
ALTER TABLE pack ADD COLUMN is_indexed INTEGER NOT NULL DEFAULT 0 CHECK (is_indexed IN (0, 1));
CREATE INDEX pack_loose ON pack (space) WHERE is_indexed = 0 AND state IN (1, 2);

-- An unfinished push is given up: its uploader sends what it had sent once more. All other packs have their footers.
UPDATE pack SET state = 3, push = NULL WHERE state = 0;
DROP TABLE object;
