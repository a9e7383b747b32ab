"""Logs of a service: one JSON object per line on stderr, with each request's id."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging
from spendmeter_deploy.cli.running import configure_logs, log_as_json
configure_logs(verbose=False)
log_as_json()
logging.getLogger("spendmeter.http").info("request", extra={"request_id": "trace-1", "status": 200})
logging.getLogger("aiokafka").warning("slow")
logging.getLogger("aiokafka").info("chatter")
"""


def test_serving_processes_log_json_with_the_request_id() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["logger"], line["message"]) for line in lines] == [
        ("spendmeter.http", "request"),
        ("aiokafka", "slow"),
    ]
    assert (lines[0]["request_id"], lines[0]["status"], lines[0]["level"]) == ("trace-1", 200, "info")
    assert done.stdout == ""
