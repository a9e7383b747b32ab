"""Bucket edges of a request's window, within limits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from spendmeter_rollups.problems import invalid_parameter
from spendmeter_rollups.scope import Scope
from spendmeter_rollups.windows import Granularity, auto_granularity, bucket_edges

MAX_POINTS: Final = 10_000
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
