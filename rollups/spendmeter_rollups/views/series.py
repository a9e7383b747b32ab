"""Granularity and bucket edges of a series, within limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from spendmeter_rollups.problems import invalid_parameter
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.windows import Granularity, auto_granularity, bucket_edges

MAX_POINTS: Final = 10_000
"""Maximum points of one series."""
MAX_VALUES: Final = 20_000
"""Maximum points of all series of an answer: about 4 MB and 0.5 s of CPU time."""
MAX_SPARKS: Final = 120_000
"""Maximum values of all sparklines of an answer; each is one amount, where a point has ten fields."""
_SHORTEST: Final[dict[Granularity, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=28),
}


def resolve_granularity(scope: Scope, requested: Granularity | str) -> Granularity:
    """Return the requested granularity; "auto" depends on the length of the window."""
    for granularity in _SHORTEST:
        if granularity == requested:
            return granularity
    return auto_granularity(scope.window, scope.zone)


def series_edges(scope: Scope, granularity: Granularity, *, most: int = MAX_POINTS) -> list[datetime]:
    """Return the bucket edges of the window, n + 1 for n buckets. Raises `Problem` above `most` buckets."""
    if scope.window.length / _SHORTEST[granularity] > most:
        coarser = [name for name, length in _SHORTEST.items() if scope.window.length / length <= most]
        raise invalid_parameter(
            "granularity", f"{granularity} gives more than {most} points", allowed=["auto", *coarser]
        )
    return bucket_edges(scope.window, granularity, scope.zone)


def check_values(series: int, edges: Sequence[datetime], *, limit: int, most: int = MAX_VALUES) -> None:
    """Raise `Problem` if `series` series over these buckets exceed `most` values; suggest parameters that fit.

    :param limit: the request's parameter `limit`.
    """
    points = len(edges) - 1
    if series * points <= most:
        return
    fewer = limit - (series - most // points)
    allowed = [f"limit={fewer}"] if fewer >= 1 else []
    raise invalid_parameter(
        "limit",
        f"{series} series of {points} points are {series * points} values, more than {most}:"
        " request fewer series, a coarser granularity or a shorter window",
        allowed=[*allowed, "a coarser granularity", "a shorter window"],
    )
