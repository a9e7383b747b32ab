"""The verdict of `make bench ARGS=quick`."""

from __future__ import annotations

import json

import pytest

from benchmarks import quick
from benchmarks.quick_parts import ENDPOINTS


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [([1.0, 0.9], "ok"), ([3.0], "ok"), ([0.71, 0.5, 0.4], "noise"), ([0.69, 0.6], "FALL")],
)
def test_only_a_best_round_below_the_limit_is_a_fall(rounds: list[float], expected: str) -> None:
    assert quick.verdict(rounds, 1.0) == expected


def test_a_ratio_that_fell_or_is_missing_fails_the_run() -> None:
    committed = {"build": 1.0, "pricing": 100.0, "ingest clock": 10.0}
    text, good = quick.report({"build": [0.5], "ingest clock": [1.0]}, committed)

    assert not good
    assert "below the committed ratio: build, pricing" in text
    assert quick.report({"build": [1.1], "pricing": [90.0], "ingest clock": [1.0]}, committed)[1]


def test_every_ratio_has_a_committed_figure() -> None:
    committed = json.loads(quick.COMMITTED.read_text())
    assert committed.keys() == {*quick.MEANING, *ENDPOINTS}
