"""Difference of a repricing, by provider and model. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Context, Decimal

from spendmeter_stream.reprice.adjusting import Repriced
from spendmeter_stream.reprice.stored_calls import values

_EXACT = Context(prec=80)


@dataclass(slots=True)
class Line:
    """Difference of one model of a provider. Amounts are USD over all its calls, changed or not."""

    events: int = 0
    changed: int = 0
    old: Decimal = Decimal(0)
    new: Decimal = Decimal(0)
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(old, new) pricing status, if they differ → number of calls."""

    @property
    def delta(self) -> Decimal:
        """Return the sum of the adjustments."""
        return _EXACT.subtract(self.new, self.old)


@dataclass(slots=True)
class CostDifference:
    """Lines by (provider, model)."""

    lines: dict[tuple[str, str], Line] = field(default_factory=dict)

    def add(self, repriced: Repriced) -> None:
        """Add a repriced piece."""
        counted, now = repriced.counted, repriced.now
        columns = (
            zip(values(counted, "provider"), values(counted, "model"), strict=True),
            values(counted, "cost"),
            now["cost"].to_pylist(),
            zip(values(counted, "pricing_status"), now["pricing_status"].to_pylist(), strict=True),
            repriced.differs.to_pylist(),
        )
        for key, old, new, statuses, differs in zip(*columns, strict=True):
            line = self.lines.setdefault(key, Line())
            line.events += 1
            line.changed += differs
            line.old = _EXACT.add(line.old, old)
            line.new = _EXACT.add(line.new, new)
            if statuses[0] != statuses[1]:
                line.statuses[statuses] += 1

    def total(self) -> Line:
        """Return the sum of all lines."""
        total = Line()
        for line in self.lines.values():
            total.events += line.events
            total.changed += line.changed
            total.old = _EXACT.add(total.old, line.old)
            total.new = _EXACT.add(total.new, line.new)
            total.statuses.update(line.statuses)
        return total
