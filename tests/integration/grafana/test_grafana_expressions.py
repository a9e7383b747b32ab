"""Prometheus parses the expressions of the Pipeline board."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.gate.statements import boards
from tests.support.alerting import tool

EXPRESSIONS = [
    target["expr"]
    for board in boards()
    for panel in board["panels"]
    for target in panel.get("targets", ())
    if "expr" in target
]


@pytest.mark.promtool
def test_prometheus_reads_every_expression(tmp_path: Path) -> None:
    promtool = tool("promtool")
    rules = [
        {"record": f"board:expression:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(EXPRESSIONS)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.dump({"groups": [{"name": "board", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(EXPRESSIONS)} rules found" in done.stdout
