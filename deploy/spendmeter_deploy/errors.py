"""Why a command cannot go on. Each message is one line that says what to do; the command exits with code 2."""

from __future__ import annotations


class StartError(Exception):
    """The stack cannot start: a folder in use, a taken port, a missing binary."""
