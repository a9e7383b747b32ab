"""Short runs of the fault harness by seed: every event, token and pico-dollar is counted exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kafka.tansu import Tansu
from tests.torture.short import ON_TANSU, one_round


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", ON_TANSU)
async def test_faults_change_no_sum(tmp_path: Path, seed: int) -> None:
    report = await one_round(seed, ON_TANSU[seed], Tansu(folder=tmp_path), tmp_path)
    assert report.counts["events"] > 0
    assert report.counts["client retries"] > 0
