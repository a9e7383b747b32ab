"""Errors of the extractors."""

from __future__ import annotations

from spendmeter_events.errors import SpendmeterError
from spendmeter_events.extract.usage import Usage


class InconsistentUsage(SpendmeterError, ValueError):
    """The counts of a response are negative, not numeric, contradictory, or unread.

    Contains no content of the conversation: `faults` names the fields, `shape` lists the key names and types of the
    usage section, and `known` is the `Usage` without the contradictory counts (state `inconsistent` or `unread`), for
    an event that is priced `partial`.
    """

    def __init__(self, *, provider: str, faults: tuple[str, ...], shape: str, known: Usage) -> None:
        self.provider = provider
        self.faults = faults
        self.shape = shape
        self.known = known
        super().__init__(f"{provider}: {'; '.join(faults)}; usage was {shape}")
