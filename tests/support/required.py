"""Parts that a machine may lack: Kafka, promtool, Node, Chromium, libfaketime."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def do_without(missing: object) -> NoReturn:
    """Skip the test with a one-line reason; fail it if SPENDMETER_REQUIRE_ALL=1."""
    if os.environ.get("SPENDMETER_REQUIRE_ALL") == "1":
        pytest.fail(str(missing), pytrace=False)
    pytest.skip(str(missing))
