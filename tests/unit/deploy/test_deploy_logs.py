"""Logs of a service: one JSON object per line on stderr, with each request's id."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

from spendmeter_rollups.http.logs import JsonFormatter

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


def test_a_log_line_escapes_control_and_bidirectional_characters() -> None:
    hostile = "ann\u202e\u2066\x9b31m\x1b[2J\r\n\x7f\u2028"
    record = logging.makeLogRecord({"msg": "user %s", "args": (hostile,), "org_id": hostile})
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert (json.loads(line)["message"], json.loads(line)["org_id"]) == (f"user {hostile}", hostile)
