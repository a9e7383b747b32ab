"""The fault harness: a seeded stream of events, killed and frozen workers, and an oracle with the expected sums."""
