"""The scope of a request: window, time zone, filters and currency, resolved for the current time and credential."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from spendmeter_clickhouse.zones import named_zone
from spendmeter_rollups.catalogue.money import Rates
from spendmeter_rollups.problems import Fault, Problem, forbidden, invalid_parameter
from spendmeter_rollups.query.params import ScopeParams, fold
from spendmeter_rollups.query.planner import Piece, plan
from spendmeter_rollups.query.sums import Sums
from spendmeter_rollups.query.windows import (
    DEFAULT_PRESET,
    EARLIEST,
    LATEST,
    PRESET_ALIASES,
    PRESETS,
    Comparison,
    Window,
    preset_window,
    same_period,
    start_of_day,
)

_DAY: Final = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_ALLOWED_TIMES: Final = ["2026-11-22", "2026-11-22T10:30:00", "2026-11-22T10:30:00.000Z"]
_MILLISECOND: Final = timedelta(milliseconds=1)
_USD: Final = Rates()


@dataclass(frozen=True, slots=True)
class Span:
    """The first and newest event visible to the caller; None without events."""

    first: datetime | None = None
    newest: datetime | None = None
    raw_from: datetime | None = None
    """Raw events are complete from here on."""
    stored: datetime | None = None
    """When a call was last stored, by the store's clock. A call states its own time, which may be wrong."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The resolved parameters of one request. Timestamps are UTC; filters are by column."""

    preset: str
    window: Window
    zone: ZoneInfo
    filters: Mapping[str, tuple[str, ...]]
    now: datetime
    span: Span
    rates: Rates = _USD
    warnings: tuple[Fault, ...] = ()
    """Parameters that were not understood, and what was answered instead."""

    def previous(self, comparison: Comparison) -> Scope | None:
        """Return this scope over the window to compare with, or None if no event can be in it."""
        equal = comparison == "previous"
        window = self.window.previous() if equal else same_period(self.preset, self.window, self.zone)
        if self.preset == "all" or window.start < EARLIEST:
            return None
        return replace(self, preset="custom", window=window)

    def narrowed(self, **filters: tuple[str, ...]) -> Scope:
        """Add filters. A column that is filtered already keeps the intersection of both."""
        merged = dict(self.filters)
        for column, values in filters.items():
            before = merged.get(column)
            merged[column] = values if before is None else tuple(v for v in values if v in before)
        return replace(self, filters=merged)

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last UTC day of the window that can have calls."""
        last = (self.window.end - _MILLISECOND).date()
        newest, first = self.span.newest, self.span.first
        last = min(last, newest.date()) if newest else last
        return min(max(self.window.start.date(), first.date()) if first else self.window.start.date(), last), last

    def pieces(self, spec: Sums, *, end: datetime | None = None) -> tuple[Piece, ...]:
        """Plan the pieces of `spec`. `end` is the end of a series' last bucket.

        Raises `Problem` if the plan needs raw events that were deleted, because their sum would be incomplete.
        """
        pieces = plan(
            self.window,
            columns=spec.touched,
            measures=spec.measures,
            edges=(*spec.edges, *((end,) if end else ())),
            first_event=self.span.first,
            newest_event=self.span.newest,
            daily=spec.converted,
        )
        kept = self.span.raw_from
        if kept and any(piece.rollup is None and piece.ranges[0].start < kept for piece in pieces):
            raise invalid_parameter(
                "from",
                f"the query needs raw events from before {kept:%Y-%m-%d}, which were deleted: request whole UTC days or"
                " hours, or fewer filters and groups",
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
    """Resolve `params` at `now`. Raises `Problem` for an invalid parameter."""
    zone = find_zone(params.tz)
    preset, window, warnings = _window(params, zone=zone, now=now, span=span)
    filters = params.filters()
    if visible_orgs is not None:
        filters["org_id"] = only_visible(filters.get("org_id"), visible_orgs)
    return Scope(preset=preset, window=window, zone=zone, filters=filters, now=now, span=span, warnings=tuple(warnings))


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone by name. Raises `Problem` for a name that is not in the time zone database."""
    zone = named_zone(name)
    if zone is None:
        raise invalid_parameter(
            "tz", f"unknown time zone {name!r}", allowed=["any IANA name, such as UTC or Asia/Kolkata"]
        )
    return zone


def only_visible(requested: tuple[str, ...] | None, visible: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requested orgs, or all visible ones. Raises `Problem` (403) if a requested org is not visible."""
    if requested is None:
        return visible
    if not set(requested) <= set(visible):
        raise forbidden("this credential is restricted to its own org", parameter="org")
    return requested


def _window(params: ScopeParams, *, zone: ZoneInfo, now: datetime, span: Span) -> tuple[str, Window, Sequence[Fault]]:
    preset_name = fold(params.preset)
    preset = PRESET_ALIASES.get(preset_name, preset_name) if preset_name else None
    if params.from_ is None and params.to is None:
        if preset == "custom":
            raise invalid_parameter("from", "preset=custom requires 'from'", allowed=_ALLOWED_TIMES)
        known = preset if preset in PRESETS else DEFAULT_PRESET
        warnings = [] if preset in (None, known) else [_unknown_preset(params.preset)]
        return known, preset_window(known, now=now, zone=zone, first_event=span.first), warnings
    if preset not in (None, "custom"):
        raise invalid_parameter("preset", "use either a preset or 'from' and 'to'", allowed=["custom"])
    if params.from_ is None:
        raise invalid_parameter("from", "'to' requires 'from'", allowed=_ALLOWED_TIMES)
    return "custom", _custom_window(params.from_, params.to, zone=zone, now=now), ()


def _unknown_preset(preset_name: str | None) -> Fault:
    allowed = [*(name for name in PRESETS if name != "custom"), *PRESET_ALIASES]
    return Fault(
        parameter="preset", detail=f"unknown preset {preset_name!r}: answered {DEFAULT_PRESET}", allowed=allowed
    )


def _custom_window(first: str, last: str | None, *, zone: ZoneInfo, now: datetime) -> Window:
    start = parse_time("from", first, zone)
    end = now if last is None else parse_time("to", last, zone, whole_day=True)
    if last is None and start >= now:
        raise invalid_parameter(
            "from", "is in the future: without 'to' the window ends now", allowed=[f"before {now.isoformat()}"]
        )
    if start >= end:
        raise invalid_parameter("from", "must be before 'to'", allowed=[f"before {end.isoformat()}"])
    return Window(start, end)


def parse_time(parameter: str, text: str, zone: ZoneInfo, *, whole_day: bool = False) -> datetime:
    """Return a day or timestamp in UTC; `whole_day`: of a day, its end. Raises `Problem`."""
    try:
        if _DAY.match(text):
            day = date.fromisoformat(text) + timedelta(days=1 if whole_day else 0)
            instant = start_of_day(day, zone)
        else:
            # An unescaped '+' in a query string arrives as a space.
            parsed = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
            instant = (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _invalid_time(parameter, text) from None
    if not EARLIEST <= instant <= LATEST:
        raise invalid_parameter(parameter, "out of range", allowed=[f"{EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}"])
    return instant - (instant - EARLIEST) % _MILLISECOND


def _invalid_time(parameter: str, text: str) -> Problem:
    return invalid_parameter(parameter, f"{text!r} is not an ISO 8601 day or timestamp", allowed=_ALLOWED_TIMES)


def time_before(text: str | None) -> datetime | None:
    """Return the value of the parameter `before`. Raises `Problem` unless it is a timestamp with an offset."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or not 2000 <= instant.year < 2100:
        raise invalid_parameter(
            "before", f"{text!r} is not an ISO 8601 timestamp with an offset", allowed=["2026-11-22T10:30:00.000Z"]
        )
    return instant
