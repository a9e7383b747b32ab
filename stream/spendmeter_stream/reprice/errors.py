"""Why a repricing cannot go on. What it appended stays, and another run goes on from there."""

from __future__ import annotations

from spendmeter_stream.errors import StreamError


class RepriceError(StreamError):
    """The window is wrong, another repricing runs, or this one has taken too long over a block."""
