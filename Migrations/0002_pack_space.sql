-- How many bytes an application has stored is asked at every begin.
CREATE INDEX pack_space ON pack (space, state, byte_count);
