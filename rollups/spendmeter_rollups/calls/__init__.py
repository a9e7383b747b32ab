"""Answers about single calls: the call log, the error report, a user's page."""
