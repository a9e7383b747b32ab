"""The only place with SQL text."""
