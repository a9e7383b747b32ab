"""Percentiles of latency from counts in bins, as `spendmeter_rollups.query.percentiles` places them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from grafana.build.calendar import bucket_start, with_names
from grafana.build.usage import usage

from spendmeter_clickhouse.catalogue import BINS_PER_OCTAVE

SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_COLUMNS: Final = ("latency_bin",)
_MEASURES: Final = ("latency_requests",)


def compared() -> str:
    """Two rows: the window before, and this one."""
    both = (
        f"SELECT v0 AS time, * FROM (\n{usage(_COLUMNS, _MEASURES, window='v')}\n)\n"
        f"UNION ALL\nSELECT w0 AS time, * FROM (\n{usage(_COLUMNS, _MEASURES)}\n)"
    )
    return _placed(both, "usage.time")


def over_time() -> str:
    """A row for each bucket with calls."""
    return _placed(usage(_COLUMNS, _MEASURES, stepped=True), bucket_start("usage.bucket"))


def by(columns: Collection[str], key: Mapping[str, str]) -> str:
    """Rows by `key` (alias → expression over `usage`), with `p50`, `p95` and `p99`: to be joined."""
    names = ", ".join(f"{expression} AS {alias}" for alias, expression in key.items())
    rows = usage((*columns, *_COLUMNS), _MEASURES)
    return _percentiles(f"SELECT {names}, {_COUNTS}\nFROM (\n{rows}\n) AS usage\nGROUP BY {', '.join(key)}", key)


_COUNTS: Final = "sumMap([usage.latency_bin], [usage.latency_requests]) AS counts"


def _placed(source: str, time: str) -> str:
    counted = f"SELECT {time} AS time, {_COUNTS}\nFROM (\n{source}\n) AS usage\nGROUP BY time"
    return with_names(f"{_percentiles(counted, ('time',))}\nORDER BY time")


def _percentiles(counted: str, kept: Collection[str]) -> str:
    """The bin in which each rank falls, and the place in it by rank."""
    n = BINS_PER_OCTAVE
    shares = ", ".join(map(str, SHARES.values()))
    chosen = ", ".join([*kept, *(f"places[{number}] AS {name}" for number, name in enumerate(SHARES, 1))])
    return (
        f"SELECT {chosen}\nFROM (\nSELECT *, counts.1 AS bins, counts.2 AS calls, arrayCumSum(calls) AS upto,\n"
        f"  arrayMap(share -> share * arraySum(calls), [{shares}]) AS ranks,\n"
        "  arrayMap(rank -> arrayFirstIndex(c -> c >= rank, upto), ranks) AS at,\n"
        f"  arrayMap((rank, i) -> pow(2, bins[i] / {n}) - 1 + (pow(2, (bins[i] + 1) / {n}) - pow(2, bins[i] / {n}))\n"
        "    * (rank - (upto[i] - calls[i])) / calls[i], ranks, at) AS places\n"
        f"FROM (\n{counted}\n)\n)"
    )
