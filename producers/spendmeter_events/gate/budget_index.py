"""Find the used-up budget that limits a call. Pure; one dictionary look-up per combination of dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from spendmeter_events.gate.status import BudgetStatus

Names = tuple[str, ...]
_Table = dict[tuple[str | None, ...], tuple[BudgetStatus, float]]


class BudgetIndex:
    """The used-up budgets among `statuses`. Immutable, so that threads read it without a lock."""

    __slots__ = ("_tables",)

    def __init__(self, tables: Iterable[tuple[Names, _Table]] = ()) -> None:
        self._tables = tuple(tables)

    @classmethod
    def of(cls, statuses: Iterable[BudgetStatus]) -> Self:
        """Index `statuses` by the dimensions that they limit."""
        tables: dict[Names, _Table] = {}
        for status in statuses:
            if status.over:
                names = tuple(sorted(status.conditions))
                key = tuple(status.conditions[name] for name in names)
                tables.setdefault(names, {})[key] = status, status.month_end.timestamp()
        return cls(tables.items())

    def refusing(self, call: Mapping[str, str | None], *, now: float) -> BudgetStatus | None:
        """Return a used-up budget of the current month that limits `call` (dimension → value), or None.

        :param now: Unix time in seconds.
        """
        for names, table in self._tables:
            found = table.get(tuple([call.get(name) for name in names]))
            if found is not None and now < found[1]:
                return found[0]
        return None


def call_of(
    org: str,
    user: str | None = None,
    feature: str | None = None,
    dimensions: Mapping[str, str | None] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, str | None]:
    """Return dimension → value of a call."""
    call: dict[str, Any] = {"org": org, "user": user, "feature": feature}
    if dimensions:
        call.update(dimensions)
    if tags:
        call.update({f"tag:{key}": value for key, value in tags.items()})
    for name, value in call.items():
        if value is not None and not isinstance(value, str):
            # The key of a database row, or a UUID: it must not pass as another value than its text.
            call[name] = str(value)
    return call
