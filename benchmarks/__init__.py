"""Measurements, each beside its alternative in one run: `make bench` writes them to docs/benchmarks.md."""
