"""Write every board to `grafana/dashboards/`, remove files of boards that are no more, and write the alert rules."""

from __future__ import annotations

import sys
from pathlib import Path

from grafana.build import alerts
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
    alerts.PATH.write_text(alerts.rendered(), encoding="utf-8")
    sys.stdout.write(f"{len(boards)} boards in {FOLDER}, {len(alerts.RULES)} alert rules in {alerts.PATH}\n")


main()
