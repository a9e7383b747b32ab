"""The window a board shows, its calendar and its currency, as names that statements use.

Grafana's range is widened to whole quarters of an hour: every zone's days begin on one, and so does every row of the
finest rollup. Days, weeks and months are those of the time zone in the time picker, like the axis.

Plugin versions before 4.14 look for a macro's arguments beyond its own words, so `$__fromTime` and `$__toTime` must
be followed by `)` before any `(`; the gate's macros are as strict.
"""

from __future__ import annotations

import re
from typing import Final

QUARTER: Final = 900
_ZONE: Final = "${__timezone:singlequote}"
_STEP: Final = "${granularity:singlequote}"
_LENGTH: Final = "($__toTime - $__fromTime)"
# A clock change makes seven local days an hour longer than seven times 24.
_HOUR: Final = 3600
_DAY: Final = 86400


def _longer_than(days: int) -> str:
    return f"{_LENGTH} > {days * _DAY + _HOUR}"


def _whole(unit: str, seconds: int, window: str) -> dict[str, str]:
    """The whole units inside a window: [lo, hi), empty where there are none."""
    lo, hi, start = f"{window}0{unit}", f"{window}1{unit}", {"d": "toStartOfDay", "h": "toStartOfHour"}[unit]
    return {
        lo: f"{start}({window}0 + {seconds - 1}, 'UTC')",
        hi: f"greatest({lo}, {start}({window}1, 'UTC'))",
    }


def _even(seconds: int) -> str:
    """Whether every clock of the zone, in the windows and their months, is a whole number of `seconds` from UTC.

    A sub-select, because ClickHouse evaluates it before it selects what to read.
    """
    days = f"range(toUInt32(v0 - {32 * _DAY}), toUInt32(w1 + {32 * _DAY}), {_DAY})"
    uneven = f"max(timezoneOffset(toDateTime(t, zone)) % {seconds} != 0)"
    return f"(SELECT NOT {uneven} FROM (SELECT arrayJoin({days}) AS t))"


_NAMES: Final = {
    # The browser's zone is named; UTC is the one that Grafana writes in small letters, and ClickHouse does not.
    "zone": f"if({_ZONE} = 'utc', 'UTC', {_ZONE})",
    # The window, [w0, w1), and the one of equal length before it, [v0, v1).
    "w0": "toStartOfFifteenMinutes($__fromTime)",
    "w1": f"toStartOfFifteenMinutes($__toTime + {QUARTER - 1})",
    "v0": "w0 - (w1 - w0)",
    "v1": "w0",
    **_whole("d", _DAY, "w"),
    **_whole("h", _HOUR, "w"),
    **_whole("d", _DAY, "v"),
    **_whole("h", _HOUR, "v"),
    "step": (
        f"multiIf({_STEP} != 'auto', {_STEP}, {_longer_than(365)}, 'month', "
        f"{_longer_than(90)}, 'week', {_longer_than(7)}, 'day', 'hour')"
    ),
    # No UTC day, or hour, straddles two bars, so that whole rollups can be taken without a look at their rows.
    "days_fit": f"step != 'hour' AND {_even(_DAY)}",
    "hours_fit": _even(_HOUR),
    # The month in which the window ends, for budgets and projections: [m0, m1).
    "m0": "toDateTime(toStartOfMonth(w1 - 1, zone), zone)",
    "m1": "toDateTime(toStartOfMonth(w1 - 1, zone) + INTERVAL 1 MONTH, zone)",
    **_whole("d", _DAY, "m"),
    **_whole("h", _HOUR, "m"),
    # The clock, or the end of a window that lies in the past.
    "asof": "least(($__toTime), now())",
    # The window of the trend, [t0, t1): a range of seven days up to today has six complete ones, so one is added.
    "t0": (
        "if(w0 = toDateTime(toDate(w0, zone), zone) AND toDate(asof, zone) - toDate(w0, zone) = 6, "
        "toDateTime(toDate(w0, zone) - 1, zone), w0)"
    ),
    "t1": "w1",
    **_whole("d", _DAY, "t"),
    **_whole("h", _HOUR, "t"),
    # The rate in force on the window's last day, so that a past report never changes.
    "fx": (
        "if(${currency:singlequote} = 'USD', 1., (SELECT toFloat64(argMaxOrNull(per_usd, rate_date)) "
        "FROM fx_rates FINAL WHERE currency = ${currency:singlequote} AND rate_date <= toDate(w1 - 1, zone)))"
    ),
}


def bucket_start(moment: str) -> str:
    """The start of the hour, day, week (from Monday) or month that holds `moment`, an instant."""
    return (
        f"multiIf(step = 'hour', toStartOfHour({moment}, zone), step = 'day', toStartOfDay({moment}, zone), "
        f"step = 'week', toDateTime(toStartOfWeek({moment}, 1, zone), zone), "
        f"toDateTime(toStartOfMonth({moment}, zone), zone))"
    )


def with_names(statement: str, **more: str) -> str:
    """`statement` with a WITH clause for the names it uses, and for those that these use. `more` may use them, too."""
    names = {**_NAMES, **more}
    needed = _used(statement, names)
    clause = ",\n  ".join(f"{names[name]} AS {name}" for name in names if name in needed)
    return f"WITH\n  {clause}\n{statement}" if clause else statement


def _used(text: str, names: dict[str, str]) -> set[str]:
    found = set(names) & set(re.findall(r"(?<![\w.$:{])\w+", text))
    for name in tuple(found):
        rest = {other: value for other, value in names.items() if other != name}
        found |= _used(names[name], rest)
    return found
