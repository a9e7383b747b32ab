"""The demo as a newcomer runs it: how long it takes, how fast it stores, how much memory its process holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure() -> dict[str, float]:
    """Seconds to the summary, events a second, and the peak resident memory of the stack's process in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "spendmeter_deploy.cli.app", "demo", "--exit", "--port", "0", "--data-dir", folder],
            stdout=subprocess.PIPE,
            text=True,
        )
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _peak_mib(process.pid))
            time.sleep(0.2)
        printed = process.communicate()[0]
    found = re.search(r"([\d,]+) events of .*?([\d,]+) events/s", printed, flags=re.DOTALL)
    if process.returncode != 0 or found is None:
        raise RuntimeError(f"the demo failed:\n{printed}")
    events, rate = (float(text.replace(",", "")) for text in found.groups())
    return {"seconds": time.perf_counter() - started, "events": events, "per_second": rate, "peak_mib": peak}


def _peak_mib(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))
