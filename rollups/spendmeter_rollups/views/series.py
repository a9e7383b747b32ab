"""Bucket edges of a request's window, within limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from spendmeter_rollups.problems import invalid_parameter
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.windows import Granularity, auto_granularity, bucket_edges

MAX_POINTS: Final = 10_000
"""Of one series."""
MAX_VALUES: Final = 20_000
"""Points of all series of an answer together: about 4 MB and half a second of work."""
MAX_SPARKS: Final = 120_000
"""Values of all sparklines of an answer together; each is one amount instead of ten figures."""
_SHORTEST: Final[dict[Granularity, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=28),
}


def granularity_of(scope: Scope, asked: Granularity | str) -> Granularity:
    """`asked`, or what "auto" means for the window."""
    for granularity in _SHORTEST:
        if granularity == asked:
            return granularity
    return auto_granularity(scope.window, scope.zone)


def series_edges(scope: Scope, granularity: Granularity, *, most: int = MAX_POINTS) -> list[datetime]:
    """Bucket edges of the window, n + 1 for n buckets. Raises `Problem` where there would be more than `most`."""
    if scope.window.length / _SHORTEST[granularity] > most:
        coarser = [name for name, length in _SHORTEST.items() if scope.window.length / length <= most]
        raise invalid_parameter(
            "granularity", f"{granularity} gives more than {most} points", allowed=["auto", *coarser]
        )
    return bucket_edges(scope.window, granularity, scope.zone)


def check_values(series: int, edges: Sequence[datetime], *, limit: int, most: int = MAX_VALUES) -> None:
    """Raise `Problem` where `series` series of these buckets are more than `most` values, with what would fit.

    :param limit: the parameter `limit` that was asked for.
    """
    points = len(edges) - 1
    if series * points <= most:
        return
    fewer = limit - (series - most // points)
    allowed = [f"limit={fewer}"] if fewer >= 1 else []
    raise invalid_parameter(
        "limit",
        f"{series} series of {points} points are {series * points} values, more than {most}:"
        " ask for fewer series, a coarser granularity or a shorter window",
        allowed=[*allowed, "a coarser granularity", "a shorter window"],
    )
