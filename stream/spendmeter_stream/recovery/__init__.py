"""Crash recovery: confirm that a block landed, and reconcile the days of suspect blocks."""
