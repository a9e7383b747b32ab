"""What one request is about: window, zone, filters, currency, resolved against the clock and the credential."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from spendmeter_clickhouse.zones import named_zone
from spendmeter_rollups.catalogue.dimensions import FILTERS
from spendmeter_rollups.catalogue.money import Rate
from spendmeter_rollups.problems import Problem, forbidden, invalid_parameter
from spendmeter_rollups.query.params import ScopeParams
from spendmeter_rollups.query.planner import Piece, plan
from spendmeter_rollups.query.sums import Sums
from spendmeter_rollups.query.windows import (
    DEFAULT_PRESET,
    EARLIEST,
    LATEST,
    PRESETS,
    Window,
    preset_window,
    start_of_day,
)

_DAY: Final = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_ALLOWED_TIMES: Final = ["2026-11-22", "2026-11-22T10:30:00", "2026-11-22T10:30:00.000Z"]
_MILLISECOND: Final = timedelta(milliseconds=1)
_USD: Final = Rate()


@dataclass(frozen=True, slots=True)
class Span:
    """The first and the newest event that the caller may know of; None where there is none."""

    first: datetime | None = None
    newest: datetime | None = None
    raw_from: datetime | None = None
    """From when on raw events are kept whole."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One request's frame. Instants are UTC; filters are by column."""

    preset: str
    window: Window
    zone: ZoneInfo
    filters: Mapping[str, tuple[str, ...]]
    now: datetime
    span: Span
    rate: Rate = _USD

    def previous(self) -> Scope | None:
        """The same over the window of equal length before this one; None where nothing can lie there."""
        window = self.window.previous()
        if self.preset == "all" or window.start < EARLIEST:
            return None
        return replace(self, preset="custom", window=window)

    def narrowed(self, **filters: tuple[str, ...]) -> Scope:
        """Further narrowed: a column already filtered lets pass only what both do."""
        merged = dict(self.filters)
        for column, values in filters.items():
            before = merged.get(column)
            merged[column] = values if before is None else tuple(v for v in values if v in before)
        return replace(self, filters=merged)

    def at_rate(self, rate: Rate) -> Scope:
        """The same with amounts in another currency."""
        return replace(self, rate=rate)

    def sums(
        self,
        columns: Iterable[str],
        measures: Iterable[str],
        *,
        edges: Iterable[datetime] = (),
        after: Iterable[str] = (),
        among: Iterable[tuple[str, ...]] = (),
    ) -> Sums:
        """What to add up for this request."""
        return Sums(tuple(columns), tuple(measures), self.filters, tuple(edges), tuple(after), tuple(among))

    def pieces(self, what: Sums, *, end: datetime | None = None) -> tuple[Piece, ...]:
        """Where to read `what` from. `end` is the end of a series' last bucket.

        Raises `Problem` where only raw events that were deleted could answer: what is left of them is not the sum.
        """
        pieces = plan(
            self.window,
            columns=what.touched,
            measures=what.measures,
            edges=(*what.edges, *((end,) if end else ())),
            first_event=self.span.first,
            newest_event=self.span.newest,
        )
        kept = self.span.raw_from
        if kept and any(piece.rollup is None and piece.ranges[0].start < kept for piece in pieces):
            raise invalid_parameter(
                "from",
                f"this needs raw events from before {kept:%Y-%m-%d}, which were deleted: ask for whole UTC days or"
                " hours, or with fewer filters and groups",
                allowed=[f"{kept:%Y-%m-%d} or later"],
            )
        return pieces


def resolve(
    params: ScopeParams,
    *,
    now: datetime,
    visible_orgs: tuple[str, ...] | None,
    span: Span,
) -> Scope:
    """The scope `params` mean at `now`. Raises `Problem` with the parameter that cannot be used."""
    zone = find_zone(params.tz)
    preset, window = _window(params, zone=zone, now=now, span=span)
    filters = {column: tuple(getattr(params, name)) for name, column in FILTERS.items() if getattr(params, name)}
    if visible_orgs is not None:
        filters["org_id"] = only_visible(filters.get("org_id"), visible_orgs)
    return Scope(preset=preset, window=window, zone=zone, filters=filters, now=now, span=span)


def find_zone(name: str) -> ZoneInfo:
    """A named zone. Raises `Problem` for a name that the time zone database does not have."""
    zone = named_zone(name)
    if zone is None:
        raise invalid_parameter(
            "tz", f"no time zone is called {name!r}", allowed=["any IANA name, such as UTC or Asia/Kolkata"]
        )
    return zone


def only_visible(asked: tuple[str, ...] | None, visible: tuple[str, ...]) -> tuple[str, ...]:
    """The orgs asked for, or all that are visible. Raises `Problem` (403) where one asked for is not visible."""
    if asked is None:
        return visible
    if not set(asked) <= set(visible):
        raise forbidden("this credential sees its own org only", parameter="org")
    return asked


def _window(params: ScopeParams, *, zone: ZoneInfo, now: datetime, span: Span) -> tuple[str, Window]:
    if params.from_ is None and params.to is None:
        preset = params.preset or DEFAULT_PRESET
        if preset == "custom":
            raise invalid_parameter("from", "preset=custom needs a 'from'", allowed=_ALLOWED_TIMES)
        known = preset if preset in PRESETS else DEFAULT_PRESET
        return known, preset_window(known, now=now, zone=zone, first_event=span.first)
    if params.preset not in (None, "custom"):
        raise invalid_parameter("preset", "give either a preset or 'from' and 'to'", allowed=["custom"])
    if params.from_ is None:
        raise invalid_parameter("from", "'to' needs a 'from'", allowed=_ALLOWED_TIMES)
    start = _moment("from", params.from_, zone)
    end = now if params.to is None else _moment("to", params.to, zone, whole_day=True)
    if start >= end:
        raise invalid_parameter("from", "must be before 'to'", allowed=[f"before {end.isoformat()}"])
    return "custom", Window(start, end)


def _moment(parameter: str, text: str, zone: ZoneInfo, *, whole_day: bool = False) -> datetime:
    try:
        if _DAY.match(text):
            day = date.fromisoformat(text) + timedelta(days=1 if whole_day else 0)
            moment = start_of_day(day, zone)
        else:
            # A space is what a '+' becomes in a query string that was not escaped.
            parsed = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
            moment = (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _not_a_moment(parameter, text) from None
    if not EARLIEST <= moment <= LATEST:
        raise invalid_parameter(parameter, "out of range", allowed=[f"{EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}"])
    return moment - (moment - EARLIEST) % _MILLISECOND


def _not_a_moment(parameter: str, text: str) -> Problem:
    return invalid_parameter(parameter, f"{text!r} is not an ISO 8601 day or instant", allowed=_ALLOWED_TIMES)
