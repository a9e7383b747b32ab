"""Run a subcommand in a separate process: the embedded engine opens one folder per process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_verb(program: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program to completion, with a wide terminal so that no table is truncated."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
