"""Read spend from the rollups."""
