"""CSV of every view."""
