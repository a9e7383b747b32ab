"""Errors that end a command with exit code 2. Each message is one line: what failed, and what to do."""

from __future__ import annotations


class StartError(Exception):
    """A command cannot start or continue: a locked folder, a port in use, a missing binary."""
