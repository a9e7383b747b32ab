"""`make bench`: run the measurements, write each one's section of docs/benchmarks.md.

`make bench ARGS="ingest demo"` runs some of them; the other sections stay as they are. `make bench ARGS="query --events
1000000"` tries the query service on less than its 1, 10 and 100 million events, and writes nothing. `make bench
ARGS=quick` compares ratios with committed ones in about two minutes, and fails if one has fallen.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import demo, page, pricing, quick
from benchmarks.query_section import section

_PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_EVENTS = 100_000
_ROUNDS = 3
_FRESHNESS_SECONDS = 30
_PROTOCOL_ROUNDS = 5
_TRICKLE_SECONDS = 40
_SIZES = (10**6, 10**7, 10**8)


def ingest() -> str:
    """The worker beside itself without guarantees and beside plain Faust, in turn, so that drift hits all alike."""
    carriers = ("worker", "unguarded", "faust")
    # Plain Faust is so much slower that a fifth of the events takes it longer than the others' whole.
    events = {"worker": _EVENTS, "unguarded": _EVENTS, "faust": _EVENTS // 5}
    rates: dict[str, list[float]] = {carrier: [] for carrier in carriers}
    for _ in range(_ROUNDS):
        for carrier in carriers:
            rates[carrier].append(_child("benchmarks.ingest", carrier, str(events[carrier]))["per_second"])
    shown = {carrier: median(found) for carrier, found in rates.items()}
    rows = [
        ("the worker", shown["worker"], f"{shown['worker'] / shown['faust']:.1f} x plain Faust"),
        ("the worker, no guarantees", shown["unguarded"], f"{shown['unguarded'] / shown['faust']:.1f} x plain Faust"),
        ("plain Faust agent, `noack_take`", shown["faust"], "1"),
    ]
    table = "\n".join(f"| {name} | {rate:,.0f} | {ratio} |" for name, rate, ratio in rows)
    ratios = ", ".join(f"{a / b:.1f}" for a, b in zip(rates["worker"], rates["faust"], strict=True))
    return (
        "Drain a filled topic of 4 partitions into an empty store: same records, validation, pricing and insert.\n"
        f"Median of {_ROUNDS} rounds in turn; the worker over plain Faust, round by round: {ratios}.\n\n"
        f"| carrier | events/s | ratio |\n|---|---:|---|\n{table}"
    )


def protocol() -> str:
    """The worker with every guarantee against the same without any, in turn."""
    carriers = ["worker", "unguarded"]
    rates: dict[str, list[float]] = {carrier: [] for carrier in carriers}
    for _ in range(_PROTOCOL_ROUNDS):
        for carrier in carriers:
            rates[carrier].append(_child("benchmarks.ingest", carrier, str(_EVENTS))["per_second"])
        # Alternate the order, so that warm-up and slow-down affect both.
        carriers.reverse()
    kept = [a / b for a, b in zip(rates["worker"], rates["unguarded"], strict=True)]
    rows = [
        ("with every step", f"{median(rates['worker']):,.0f}"),
        ("without deduplication, intent, fence, tokens and confirmation", f"{median(rates['unguarded']):,.0f}"),
        ("kept, median of the rounds", f"{median(kept):.0%}"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    # A median inside the spread of the rounds is noise, not a result.
    verdict = "no measurable cost" if min(kept) < 1 < max(kept) else f"{1 - median(kept):.0%} of the throughput"
    return (
        f"Cost of exactly-once: **{verdict}**. {_EVENTS:,} events are drained from 4 partitions into an empty store, in"
        f" {_PROTOCOL_ROUNDS} alternating rounds; throughput with the protocol relative to throughput without it, per"
        f" round: {', '.join(f'{ratio:.0%}' for ratio in kept)}.\n\n"
        f"| | events/s |\n|---|---:|\n{table}"
    )


def partitions() -> str:
    """Few and many partitions under the same trickle."""
    found = {width: _child("benchmarks.partitions", str(width), str(_TRICKLE_SECONDS)) for width in (4, 16, 64)}
    rows = "\n".join(
        f"| {width} | {it['inserts_per_second']:.1f} | {it['late_p95']:.1f} s | {it['shown_p95']:.1f} s"
        f" | {it['peak_mib']:,.0f} MiB |"
        for width, it in found.items()
    )
    return (
        f"50 events/s over all partitions for {_TRICKLE_SECONDS} s, one worker with its default settings. The interval"
        " stretches, so that inserts keep to `chunks_per_second`; lag shows what that costs.\n\n"
        "| partitions | inserts/s | from the event to its chunk, p95 | `lag_seconds`, p95 | peak memory |\n"
        f"|---:|---:|---:|---:|---:|\n{rows}"
    )


def seeding() -> str:
    """`spendmeter demo --exit` on an empty folder."""
    found = demo.measure()
    rows = (
        ("to the summary, from the start of the command", f"{found['seconds']:.0f} s"),
        ("events emitted, priced and stored", f"{found['events']:,.0f}"),
        ("a second, the emitter on the same cores", f"{found['per_second']:,.0f}"),
        ("peak memory of the stack's process", f"{found['peak_mib']:,.0f} MiB"),
    )
    return "| the demo | |\n|---|---:|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows)


def prices() -> str:
    """Pricing by itself, beside `genai_prices`."""
    targets = "Targets: 300,000 events a second on one core, and a cold start below 1 s.\n\n"
    rows = "\n".join(f"| {name} | {value} |" for name, value in pricing.run())
    return f"{targets}| pricing | |\n|---|---:|\n{rows}"


def freshness() -> str:
    """emit() to visible in the summary."""
    found = _child("benchmarks.freshness", str(_FRESHNESS_SECONDS))
    return (
        f"`emit()` to visible in `GET /v1/usage/summary`, 200 events/s for {_FRESHNESS_SECONDS} s, embedded stack.\n\n"
        "| p50 | p95 | p99 |\n|---:|---:|---:|\n"
        f"| {found['p50']:.2f} s | {found['p95']:.2f} s | {found['p99']:.2f} s |"
    )


def browser() -> str:
    """The page in Chromium."""
    return page.section(_child("benchmarks.page"))


def query(sizes: Sequence[int] = _SIZES) -> str:
    """Every endpoint over generated events, beside the same on raw events, at each size."""
    return section([_child("benchmarks.query", str(size), timeout=7200) for size in sizes])


def incidents() -> str:
    """What the spend guard and Prometheus' rules say of quiet days, and how soon they notice what goes wrong."""
    found, live = _child("benchmarks.incidents", timeout=3600), _child("benchmarks.runaway")
    every = "hour" if found["hours"] == 1 else f"{found['hours']} hours"
    first, next_ones = found["seconds_a_look"]
    rows = "\n".join(
        f"| {name.replace('_', ' ')} | {by} | {'not noticed' if seconds is None else f'{seconds:,} s'} |"
        for name, (seconds, by) in found["noticed"].items()
    )
    return (
        f"{found['looks']:,} looks of the guard at the demo's 90 days, one every {every}, each as of"
        f" its moment, with {found['budgets']} budgets a quarter above the most expensive month:"
        f" **{len(found['alarms'])} false alarms**. The first look of a quarter of an hour costs {first:.2f} s of a"
        f" processor, those after it {next_ones:.2f} s.\n\n"
        "Seconds from the first call of an incident to the run, or the evaluation, that notices it, by the clock of the"
        " calls; the guard looks every 10 s, Prometheus scrapes every 15 s. The worker adds about a second.\n\n"
        f"| incident | noticed by | after |\n|---|---|---:|\n{rows}\n\n"
        "The runaway loop once more as it happens, call by call into an embedded stack: the alert is in `/metrics`"
        f" {live['in_metrics']:.0f} s after the first call, and in the topic after {live['in_topic']:.0f} s."
    )


SECTIONS: dict[str, tuple[str, Callable[[], str]]] = {
    "ingest": ("Ingest", ingest),
    "protocol": ("The cost of the protocol", protocol),
    "partitions": ("Many partitions", partitions),
    "demo": ("The demo", seeding),
    "freshness": ("Freshness", freshness),
    "pricing": ("Pricing", prices),
    "query": ("The query service", query),
    "page": ("The page", browser),
    "incidents": ("False alarms and incidents", incidents),
}


def _child(module: str, *arguments: str, timeout: float = 1200) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, check=True, timeout=timeout
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _write(name: str, title: str, body: str) -> None:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    stamp = f"{datetime.now(UTC):%Y-%m-%d}, {demo.cores()} cores, Python {platform.python_version()}"
    section = f"{begin}\n## {title}\n{body}\n\n*{stamp}*\n{end}"
    page = _PAGE.read_text()
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", flags=re.DOTALL)
    _PAGE.write_text(
        pattern.sub(lambda _: section, page) if pattern.search(page) else f"{page.rstrip()}\n\n{section}\n"
    )


def main(names: list[str]) -> None:
    """Run the sections named, or all."""
    unknown = set(names) - SECTIONS.keys()
    if unknown:
        raise SystemExit(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    for name in names or SECTIONS:
        title, measure = SECTIONS[name]
        print(f"measuring: {title} …", flush=True)
        began, used = time.perf_counter(), os.times()
        body = measure()
        print(body + "\n", flush=True)
        _write(name, title, body)
        cpu = sum(os.times()[:4]) - sum(used[:4])
        print(f"{name}: {time.perf_counter() - began:.0f} s, {cpu:.0f} s of a processor\n", flush=True)


if __name__ == "__main__":
    names, _, sizes = " ".join(sys.argv[1:]).partition("--events")
    if names.startswith("quick"):
        quick.run(_child, record="--record" in names)
    elif sizes:
        print(query([int(size) for size in sizes.split()]))
    else:
        main(names.split())
