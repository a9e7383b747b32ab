"""The hot path: convert a partition's records to a block of priced rows, and insert it exactly once."""
