"""Answers about single calls: the log, the errors, a user's page."""
