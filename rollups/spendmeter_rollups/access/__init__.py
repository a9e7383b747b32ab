"""Credentials, scopes and rate limits."""
