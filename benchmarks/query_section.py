"""The section of docs/benchmarks.md about the query service."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.query import BREAKDOWNS, ENDPOINTS, RAGGED

TARGET_MS: Final = 150
TARGET_RATIO: Final = 20


def section(found: list[dict[str, Any]]) -> str:
    """Tables over the sizes measured, the largest in full."""
    largest = found[-1]
    return "\n\n".join(
        (
            "Generated inside the store: 90 days, 200 orgs, 50,000 users, skewed (`benchmarks/query_events.sql`). Every"
            " endpoint is asked over its default window of 30 days, with no answer kept; times in ms. CPU is what all"
            " threads use for a request, which says more than a clock where others are at work. Raw is the same"
            " endpoint with a planner without rollups (the better of two; one at 100 million), the ratio that of CPU."
            " All pairs of answers were compared.",
            _verdict(largest),
            _latencies(largest),
            "How the p95 of one client grows:\n\n" + _growth(found),
            f"Rows and MiB on disk at {largest['events']:,} events:\n\n" + _tables(largest),
            *(_export(each) for each in found if each["export"]),
        )
    )


def _verdict(found: dict[str, Any]) -> str:
    slow = [path for path in ENDPOINTS if found["endpoints"][path]["one_p95"] >= TARGET_MS]
    ragged = [found["endpoints"][path]["one_p95"] for path in RAGGED]
    ratios = [_ratio(found["endpoints"][path]) for path in BREAKDOWNS]
    least = min(ratio for ratio in ratios if ratio is not None)
    return (
        f"At {found['events']:,} events {len(ENDPOINTS) - len(slow)} of {len(ENDPOINTS)} endpoints"
        f" have a p95 below {TARGET_MS} ms"
        + (f" (not: {', '.join(f'`{path}`' for path in slow)})" if slow else "")
        + f"; the breakdowns are {least:.0f} to {max(filter(None, ratios)):.0f} times cheaper than raw events, in CPU"
        f" (target: {TARGET_RATIO}). The last {len(RAGGED)} rows are windows that begin and end inside a day, which no"
        f" rollup of people has: the hours at their ends are read from raw events ({min(ragged):,.0f} to"
        f" {max(ragged):,.0f} ms)."
    )


def _latencies(found: dict[str, Any]) -> str:
    lines = [
        f"| at {found['events']:,} events | p50 | p95 | p99 | 8 clients: p50 | p95 | p99 | raw"
        " | CPU | raw CPU | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for path, each in found["endpoints"].items():
        numbers = [each[f"{clients}_p{share}"] for clients in ("one", "many") for share in (50, 95, 99)]
        raw, ratio = each["raw"], _ratio(each)
        cells = [
            *(f"{number:,.0f}" for number in numbers),
            f"{raw:,.0f}" if raw else "",
            f"{each['cpu']:,.0f}",
            f"{each['raw_cpu']:,.0f}" if raw else "",
            f"{ratio:.0f}" if ratio else "",
        ]
        lines.append(f"| `{path}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _growth(found: list[dict[str, Any]]) -> str:
    lines = [
        "| endpoint | " + " | ".join(f"{each['events']:,}" for each in found) + " |",
        "|---|" + "---:|" * len(found),
    ]
    for path in found[-1]["endpoints"]:
        cells = " | ".join(f"{each['endpoints'][path]['one_p95']:,.0f}" for each in found)
        lines += [f"| `{path}` | {cells} |"]
    return "\n".join(lines)


def _tables(found: dict[str, Any]) -> str:
    wanted = {name: size for name, size in found["tables"].items() if size[1] > 2**20}
    lines = [f"| `{name}` | {rows:,} | {size / 2**20:,.0f} |" for name, (rows, size) in wanted.items()]
    return "| table | rows | MiB |\n|---|---:|---:|\n" + "\n".join(lines)


def _export(found: dict[str, Any]) -> str:
    export = found["export"]
    return (
        f"The log of {export['rows']:,} calls as CSV: {export['per_second']:,.0f} rows a second; the process had"
        f" {export['early_mib']:,.0f} MiB after a twentieth of them and {export['end_mib']:,.0f} MiB at the end."
    )


def _ratio(each: dict[str, Any]) -> float | None:
    return each["raw_cpu"] / each["cpu"] if each["raw"] else None
