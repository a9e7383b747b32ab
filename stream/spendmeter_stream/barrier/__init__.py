"""The ingest barrier: a command pauses every worker between fence and insert."""
