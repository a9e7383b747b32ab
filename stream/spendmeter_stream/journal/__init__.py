"""The ingest journal in ClickHouse: coordinates, intents, suspect blocks, orphaned chunks, the owning group."""
