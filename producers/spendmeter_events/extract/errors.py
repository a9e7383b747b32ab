"""What goes wrong when a response contradicts itself."""

from __future__ import annotations

from spendmeter_events.errors import SpendmeterError
from spendmeter_events.extract.usage import Usage


class InconsistentUsage(SpendmeterError, ValueError):
    """A response's counts are negative, no counts at all, or contradict each other.

    Carries what a person needs to find the cause, and nothing of the conversation: `faults` name the fields,
    `shape` gives the key names and types of the usage section, `known` is the `Usage` without what is in doubt
    (state `inconsistent`), for an event that is priced `partial`.
    """

    def __init__(self, *, provider: str, faults: tuple[str, ...], shape: str, known: Usage) -> None:
        self.provider = provider
        self.faults = faults
        self.shape = shape
        self.known = known
        super().__init__(f"{provider}: {'; '.join(faults)}; usage was {shape}")
