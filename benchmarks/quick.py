"""`make bench ARGS=quick`: compare ratios that do not depend on the machine with the committed ones.

Each ratio is measured in rounds, beside its baseline. It fails if its best round is more than 30 % below the committed
ratio. If only the median is, the machine was too busy for a verdict: that is noise, and does not fail. `make bench
ARGS="quick --record"` writes the medians to quick.json.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

COMMITTED: Final = Path(__file__).parent / "quick.json"
_KEPT: Final = 0.7
_ROUNDS: Final = 2
_WORKER_EVENTS: Final = 40_000
_FAUST_EVENTS: Final = 8_000
MEANING: Final = {
    "ingest": "CPU of plain Faust / worker, an event",
    "ingest clock": "events/s, worker / plain Faust",
    "build": "CPU of json.loads / validate + price + build",
    "pricing": "CPU of genai_prices / price_chunk",
}
_CLOCK: Final = frozenset({"ingest clock"})
"""Shown without a verdict: they depend on the other load of the machine."""

Child = Callable[..., dict[str, Any]]


def verdict(rounds: Sequence[float], committed: float) -> str:
    """Return `ok`, `noise` or `FALL`."""
    if max(rounds) < _KEPT * committed:
        return "FALL"
    return "noise" if median(rounds) < _KEPT * committed else "ok"


def report(found: Mapping[str, Sequence[float]], committed: Mapping[str, float]) -> tuple[str, bool]:
    """Return the table, and whether no ratio has fallen."""
    lines = [f"{'ratio':14} {'committed':>9} {'median':>9}  {'rounds':24} verdict"]
    fallen = []
    for name, rounds in found.items():
        before = committed.get(name)
        judged = "new" if before is None else "clock" if name in _CLOCK else verdict(rounds, before)
        if judged == "FALL":
            fallen.append(name)
        shown = " ".join(f"{ratio:.3g}" for ratio in rounds)
        was = "-" if before is None else f"{before:.3g}"
        what = MEANING.get(name, "CPU of a small SELECT / the answer")
        lines.append(f"{name:14} {was:>9} {median(rounds):>9.3g}  {shown:24} {judged:6} {what}")
    missing = sorted(committed.keys() - found.keys())
    if missing or fallen:
        lines.append(f"quick: FAILED: more than 30 % below the committed ratio: {', '.join([*fallen, *missing])}")
    else:
        lines.append("quick: ok: no ratio is more than 30 % below the committed one")
    return "\n".join(lines), not missing and not fallen


def run(child: Child, *, record: bool) -> None:
    """Measure, print the verdict, and exit with code 1 if a ratio has fallen."""
    began = time.perf_counter()
    cpu, clock = [], []
    for _ in range(_ROUNDS):
        ours = child("benchmarks.ingest", "worker", str(_WORKER_EVENTS))
        plain = child("benchmarks.ingest", "faust", str(_FAUST_EVENTS))
        cpu.append(plain["cpu_us"] / ours["cpu_us"])
        clock.append(ours["per_second"] / plain["per_second"])
    found = {"ingest": cpu, "ingest clock": clock, **child("benchmarks.quick_parts")}
    text, good = report(found, {} if record else json.loads(COMMITTED.read_text()))
    print(f"{text}\nmeasured in {time.perf_counter() - began:.0f} s")
    if record:
        figures = {name: float(f"{median(rounds):.3g}") for name, rounds in found.items()}
        COMMITTED.write_text(json.dumps(figures, indent=2) + "\n")
    if not good:
        raise SystemExit(1)
