"""The report of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """Faults and findings of a run. `differences` must be empty."""

    faults: Counter[str] = field(default_factory=Counter)
    counts: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Add another report to this one."""
        self.faults += other.faults
        self.counts = dict(Counter(self.counts) + Counter(other.counts))
        self.differences += other.differences

    def table(self) -> str:
        """Return the report as text."""
        lines = [("fault", "times"), *sorted(self.faults.items()), ("", "")]
        lines += [*self.counts.items(), ("differences", len(self.differences))]
        text = [f"{name:<32} {number!s:>8}".rstrip() for name, number in lines]
        return "\n".join([*text, *self.differences])

    def markdown(self, run: str) -> str:
        """Return rows of the table in docs/testing.md for this run: faults that had an effect."""
        found = len(self.differences)
        faults = sorted((fault, times) for fault, times in self.faults.items() if ", no" not in fault)
        return "\n".join(f"| {fault} | {run} | {times} | {found} |" for fault, times in faults)
