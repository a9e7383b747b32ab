"""Projection of spend to the month's end."""
