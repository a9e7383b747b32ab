"""The hot path: one partition's records become one block of priced rows, inserted exactly once."""
