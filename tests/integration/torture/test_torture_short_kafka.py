"""Short runs of the fault harness on Apache Kafka and of the embedded stack, in a file that runs beside the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.jars import KafkaUnavailable
from tests.support.required import do_without
from tests.torture.embedded import torture_embedded
from tests.torture.short import ON_KAFKA, one_round


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", ON_KAFKA)
async def test_faults_change_no_sum_on_apache_kafka(tmp_path: Path, seed: int) -> None:
    try:
        broker = ApacheKafka(folder=tmp_path)
    except KafkaUnavailable as missing:
        do_without(missing)
    await one_round(seed, ON_KAFKA[seed], broker, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_kill_9_of_the_embedded_stack_changes_no_sum(tmp_path: Path) -> None:
    report = await torture_embedded(seed=9, folder=tmp_path / "stack", go_on=lambda rounds: rounds < 1, kills=1)
    assert not report.differences, report.table()
    assert report.faults == {"kill -9 of the embedded stack at a rename": 1}
