"""What the store records about ingestion: coordinates, intents, suspect blocks, orphaned chunks, the owning group."""
