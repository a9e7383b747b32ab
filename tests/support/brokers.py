"""Real brokers for tests: Tansu always, Apache Kafka where Java and Maven are installed.

A test that uses `kafka` has `@pytest.mark.kafka`; it is skipped with a one-line reason if Kafka cannot run, or fails
when SPENDMETER_REQUIRE_ALL=1. `broker` runs a test on both. The brokers are shared by the session: a test
creates its own topics; a test that kills or restarts a broker uses `fresh_tansu`, or restarts `kafka` at its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.jars import KafkaUnavailable
from tests.support.kafka.tansu import Tansu
from tests.support.required import do_without

Broker = Tansu | ApacheKafka


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tansu]:
    """The embedded stack's broker."""
    broker = Tansu(folder=tmp_path_factory.mktemp("tansu"))
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def fresh_tansu(tmp_path: Path) -> Iterator[Tansu]:
    """A broker for one test, to kill, freeze or restart."""
    broker = Tansu(folder=tmp_path)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """Apache Kafka 4.1, KRaft."""
    try:
        broker = ApacheKafka(folder=tmp_path_factory.mktemp("kafka"))
    except KafkaUnavailable as missing:
        do_without(missing)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@pytest.fixture(params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each of the two brokers in turn."""
    chosen: Broker = request.getfixturevalue(request.param)
    return chosen
