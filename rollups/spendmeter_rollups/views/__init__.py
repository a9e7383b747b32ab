"""The views of usage: one answer per module."""
