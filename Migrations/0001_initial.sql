-- The index of an archive: the log's entries and where everything else lies.
--
-- Numbers that are u64 in the formats are stored as the signed integer of the same 64 bits. Digests are
-- blobs of 32 bytes. Schema/storage.md describes the tables.

CREATE TABLE migration (
  number INTEGER PRIMARY KEY,
  digest BLOB NOT NULL
) STRICT;

CREATE TABLE entry (
  number INTEGER PRIMARY KEY,
  leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
  kind INTEGER NOT NULL,
  app BLOB NOT NULL CHECK (length(app) = 32),
  bytes BLOB NOT NULL
) STRICT;

CREATE TABLE tile (
  level INTEGER NOT NULL,
  number INTEGER NOT NULL,
  hashes BLOB NOT NULL,
  PRIMARY KEY (level, number)
) STRICT;

CREATE TABLE checkpoint (
  size INTEGER PRIMARY KEY,
  note BLOB NOT NULL
) STRICT;

CREATE TABLE app (
  id BLOB PRIMARY KEY CHECK (length(id) = 32),
  charter_version INTEGER NOT NULL,
  charter_entry INTEGER NOT NULL REFERENCES entry,
  charter_digest BLOB NOT NULL REFERENCES charter,
  charter_leaf_hash BLOB NOT NULL CHECK (length(charter_leaf_hash) = 32),
  epoch INTEGER,
  epoch_entry INTEGER REFERENCES entry,
  epoch_leaf_hash BLOB,
  generation INTEGER NOT NULL,
  state_version INTEGER NOT NULL,
  CHECK ((epoch IS NULL) = (epoch_entry IS NULL) AND (epoch IS NULL) = (epoch_leaf_hash IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE charter (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  app BLOB NOT NULL CHECK (length(app) = 32),
  version INTEGER NOT NULL,
  entry INTEGER NOT NULL REFERENCES entry,
  UNIQUE (app, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE epoch (
  app BLOB NOT NULL REFERENCES app,
  number INTEGER NOT NULL,
  entry INTEGER NOT NULL UNIQUE REFERENCES entry,
  leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
  generation INTEGER NOT NULL,
  policy BLOB NOT NULL CHECK (length(policy) = 32),
  root BLOB NOT NULL CHECK (length(root) = 32),
  state_version INTEGER NOT NULL,
  commitment BLOB CHECK (length(commitment) = 32),
  uploader BLOB NOT NULL CHECK (length(uploader) = 32),
  previous BLOB NOT NULL CHECK (length(previous) = 32),
  added_bytes INTEGER NOT NULL,
  PRIMARY KEY (app, number),
  FOREIGN KEY (app, generation) REFERENCES generation
) STRICT, WITHOUT ROWID;
CREATE INDEX epoch_policy ON epoch (policy, entry);

CREATE TABLE generation (
  app BLOB NOT NULL REFERENCES app,
  number INTEGER NOT NULL,
  veil_commitment BLOB NOT NULL CHECK (length(veil_commitment) = 32),
  charter_digest BLOB NOT NULL REFERENCES charter,
  first_epoch INTEGER NOT NULL,
  PRIMARY KEY (app, number),
  UNIQUE (app, veil_commitment)
) STRICT, WITHOUT ROWID;

CREATE TABLE push (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  token BLOB NOT NULL UNIQUE CHECK (length(token) = 16),
  app BLOB NOT NULL CHECK (length(app) = 32),
  uploader BLOB NOT NULL CHECK (length(uploader) = 32),
  epoch INTEGER NOT NULL,
  previous BLOB NOT NULL CHECK (length(previous) = 32),
  generation INTEGER NOT NULL,
  byte_budget INTEGER NOT NULL,
  used_bytes INTEGER NOT NULL,
  touched INTEGER NOT NULL,
  UNIQUE (app, uploader)
) STRICT;
CREATE INDEX push_touched ON push (touched);

-- A short name for (app, generation), so that an object's key is 32 bytes and a few.
CREATE TABLE space (
  id INTEGER PRIMARY KEY,
  app BLOB NOT NULL CHECK (length(app) = 32),
  generation INTEGER NOT NULL,
  UNIQUE (app, generation)
) STRICT;

CREATE TABLE pack (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  space INTEGER NOT NULL REFERENCES space,
  push INTEGER REFERENCES push ON DELETE SET NULL,
  name BLOB UNIQUE CHECK (length(name) = 32),
  byte_count INTEGER NOT NULL,
  -- 0 open, 1 sealed, 2 placed, 3 abandoned
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
  CHECK (state IN (0, 3) OR (name IS NOT NULL AND push IS NULL))
) STRICT;
CREATE INDEX pack_push ON pack (push) WHERE push IS NOT NULL;
CREATE INDEX pack_unplaced ON pack (state) WHERE state <> 2;

-- The same object may lie in several packs: two pushes can bring it at the same time.
CREATE TABLE object (
  space INTEGER NOT NULL,
  id BLOB NOT NULL,
  pack INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  length INTEGER NOT NULL,
  PRIMARY KEY (space, id, pack)
) STRICT, WITHOUT ROWID;
