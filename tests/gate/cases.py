"""Selections of a viewer: a range, a zone, and each filter as All, one value, several, or one with a quote."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.gate.macros import ALL, Request, Value
from tests.gate.statements import Statement, Variable
from tests.support.board_store import NOW, QUOTED_ORG, QUOTED_USER

_FIRST: Final[dict[str, Value]] = {"org": "sunrise-delhi", "user": "system"}
"""Value of a single-value variable without a selection: Grafana takes the first of its list."""


def stored(value: str) -> str:
    """Return a value as the board's variables have it: their queries double the backslashes."""
    return value.replace("\\", "\\\\")


@dataclass(frozen=True, slots=True)
class Case:
    """One selection. `chosen` has only what differs from the board's defaults; with `full`, every panel has rows."""

    name: str
    start: datetime
    end: datetime
    timezone: str
    chosen: dict[str, Value] = field(default_factory=dict)
    full: bool = False

    def request(self, statement: Statement) -> Request:
        """Return the request for `statement`. An alert has its own range and no variables."""
        start = self.end - timedelta(seconds=statement.range_seconds) if statement.range_seconds else self.start
        values = {variable.name: self._value(variable) for variable in statement.variables}
        return Request(start=start, end=self.end, timezone=self.timezone, variables=values)

    def _value(self, variable: Variable) -> Value:
        value = self.chosen.get(variable.name, variable.current)
        if variable.several or isinstance(value, str):
            return value or _FIRST.get(variable.name, value)
        return _FIRST[variable.name] if value in ([ALL], []) else value[0]


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


CASES: Final = (
    Case("All", _local("2026-10-22T00:00+00:00"), NOW, "utc", full=True),
    Case(
        "one value each, rupees, India",
        _local("2026-11-14T00:00+05:30"),
        NOW,
        "Asia/Kolkata",
        {"org": ["sunrise-delhi"], "role": ["student"], "feature": ["chat"], "currency": "INR", "status": ["error"]},
    ),
    Case(
        "many values, weeks, Nepal",
        _local("2026-09-10T00:00+05:45"),
        NOW,
        "Asia/Kathmandu",
        {
            "org": ["everest-kathmandu", "lakeside-pokhara", "sunrise-delhi"],
            "provider": ["openai", "google"],
            "key_source": ["platform", "byok"],
            "status": ["ok", "error"],
            "currency": "EUR",
            "granularity": "week",
        },
    ),
    Case(
        "quotes and backslashes, months, over a clock change",
        _local("2026-10-01T00:00-04:00"),
        _local("2026-11-05T23:59:59.999-05:00"),
        "America/New_York",
        {
            "org": [stored(QUOTED_ORG)],
            "user": [stored(QUOTED_USER)],
            "feature": ["ask'me", "speech"],
            "model": ["unpriced'model", "gpt-4o"],
            "granularity": "month",
            "currency": "INR",
        },
    ),
    Case(
        "nothing chosen, a value that is not there, five hours",
        NOW - timedelta(hours=5, minutes=3),
        NOW,
        "Asia/Calcutta",
        {"org": [], "user": [], "feature": [stored("nobody'\\")], "currency": "XAU"},
    ),
)
