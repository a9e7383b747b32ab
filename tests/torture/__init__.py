"""The fault harness: a seeded stream of events, workers killed and frozen, and an oracle that knows every sum."""
