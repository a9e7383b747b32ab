"""Chunks close quickly with few partitions, and at a bounded rate with many."""

from __future__ import annotations

import itertools

import pytest

from spendmeter_stream.ingest.pacing import Pacing


def test_one_partition_waits_its_interval() -> None:
    pacing = Pacing(interval=0.5, chunks_per_second=8)
    assert [pacing.deadline(now) for now in (0.0, 0.6, 10.0)] == [0.5, 1.1, 10.5]


def test_many_partitions_share_the_rate() -> None:
    pacing = Pacing(interval=0.5, chunks_per_second=8)
    deadlines = [pacing.deadline(0.0) for _ in range(64)]
    assert deadlines[0] == 0.5
    assert deadlines[-1] == pytest.approx(0.5 + 63 / 8)
    assert all(later - sooner == pytest.approx(1 / 8) for sooner, later in itertools.pairwise(deadlines))
