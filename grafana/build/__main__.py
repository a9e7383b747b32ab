"""Write every board to `grafana/dashboards/`, and remove files of boards that are no more."""

from __future__ import annotations

import sys
from pathlib import Path

from grafana.build.all import FOLDER, rendered


def main() -> None:
    """`python -m grafana.build`"""
    boards = rendered()
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.json"):
        if stale.name not in boards:
            stale.unlink()
    for name, text in boards.items():
        Path(FOLDER / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(boards)} boards in {FOLDER}\n")


main()
