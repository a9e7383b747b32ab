"""Projection of the month's end."""
