"""The page of a running demo in Chromium: time to the figures, to the complete overview, and after a filter change.

Times are of the browser, from navigation or change until every panel is drawn; `cpu` is that of the stack's process.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from playwright.sync_api import Page

from tests.support.browser import DRAWN, chromium

DAYS: Final = 30
ROUNDS: Final = 7
CHANGES: Final = {"role": ("student", "teacher", ""), "preset": ("7d", "90d", "mtd", "last_month")}
"""Changes of the address, each after the others: none has been answered before."""
_FIGURES: Final = "() => document.querySelectorAll('.card .value').length > 0"
_FILTER: Final = """([name, value]) => {
  const address = new URL(location.href);
  value ? address.searchParams.set(name, value) : address.searchParams.delete(name);
  history.pushState(null, "", address.search);
  window.dispatchEvent(new PopStateEvent("popstate"));
}"""


@contextmanager
def demo(days: int) -> Iterator[tuple[int, str]]:
    """Run `spendmeter demo`; yield its process id and the link that signs in once."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "spendmeter_deploy.cli.app", "demo", "--port", "0", "--days", str(days)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SPENDMETER_DATA_DIR": folder},
        )
        try:
            assert process.stdout is not None
            links = (re.search(r"http://\S+#link=\S+", line) for line in process.stdout)
            yield process.pid, next(link[0] for link in links if link)
        finally:
            process.terminate()
            process.wait()


def measure(days: int = DAYS) -> dict[str, Any]:
    """Return medians in milliseconds, and the slowest of each."""
    with demo(days) as (pid, link), chromium() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        # Nothing is cached, and the link begins a session.
        cold = _timed(pid, page, partial(page.goto, link))
        warm = [_timed(pid, page, page.reload) for _ in range(ROUNDS)]
        changed = [
            _timed(pid, page, partial(page.evaluate, _FILTER, [name, value]))
            for name, values in CHANGES.items()
            for value in values
        ]
        return {"cold": [cold], "warm": warm, "filter": changed}


def _timed(pid: int, page: Page, change: Callable[[], Any]) -> dict[str, Any]:
    cpu, started = _cpu(pid), time.perf_counter()
    change()
    page.wait_for_function(_FIGURES, polling=10)
    figures = time.perf_counter()
    page.wait_for_function(DRAWN, polling=10)
    complete = time.perf_counter()
    return {"figures": figures - started, "complete": complete - started, "cpu": _cpu(pid) - cpu}


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def section(found: dict[str, Any]) -> str:
    """Return the table of `measure`."""
    titles = {"cold": "first visit, by the sign-in link", "warm": "reload", "filter": "another filter or period"}
    rows = "\n".join(
        f"| {titles[name]} | {len(runs)} | "
        + " | ".join(f"{median(run[part] for run in runs) * 1000:,.0f}" for part in ("figures", "complete", "cpu"))
        + f" | {max(run['complete'] for run in runs) * 1000:,.0f} |"
        for name, runs in found.items()
    )
    return (
        f"The Overview in Chromium beside `spendmeter demo --days {DAYS}` on the same cores; milliseconds, medians.\n\n"
        "| | runs | figures shown | complete, with charts | processor time of the stack | slowest complete |\n"
        f"|---|---:|---:|---:|---:|---:|\n{rows}"
    )


if __name__ == "__main__":
    print(json.dumps(measure()))
