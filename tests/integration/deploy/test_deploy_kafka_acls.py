"""deploy/kafka/acls.sh on a real Kafka with SASL/SCRAM over TLS: each user can do its own work only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from typer.main import get_command

from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_deploy.cli import app as cli
from spendmeter_events import DirectoryPublisher, OrgEntry
from spendmeter_events.topics import ALERTS, BUDGETS, DIRECTORY, PRICES, USAGE, USAGE_DLQ, topic_specs
from spendmeter_stream.dlq import Filter, RedrivePlan, dead_letters, redrive_dead_letters
from spendmeter_stream.dlq.dead_letters import DeadLetters
from spendmeter_stream.kafka.topic_admin import LEADER, ensure_topics
from spendmeter_stream.poison import Rejected
from spendmeter_stream.settings import StreamSettings
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.jars import KafkaUnavailable
from tests.support.kafka.topic import admin_client
from tests.support.records import record
from tests.support.required import do_without
from tests.support.stack import spendmeter
from tests.support.until import until
from tests.support.usage import insert_usage, usage_row
from tests.support.worker import count, publish, stream_settings, working

pytestmark = pytest.mark.kafka

ACLS = Path(__file__).parents[3] / "deploy" / "kafka" / "acls.sh"
EMITTER, WORKER, OPERATOR = USERS = ("spendmeter-emitter", "spendmeter-worker", "spendmeter-operator")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    try:
        broker = ApacheKafka(folder=tmp_path_factory.mktemp("guarded"), users=USERS, guarded=True)
    except KafkaUnavailable as missing:
        do_without(missing)
    try:
        broker.start()
        broker.as_admin(str(ACLS))
        yield broker
    finally:
        broker.kill()


def settings_of(broker: ApacheKafka, user: str) -> StreamSettings:
    way = broker.connection_of(user)
    return stream_settings(
        way,
        security_protocol=way.security_protocol,
        sasl_mechanism=way.sasl_mechanism,
        sasl_username=way.sasl_username,
        sasl_password=way.sasl_password,
        ssl_cafile=way.ssl_cafile,
        usage_partitions=2,
    )


async def test_each_user_does_its_work(guarded: ApacheKafka, store: Store) -> None:
    """Emitters publish, the worker creates topics and ingests, an operator redrives a dead letter."""
    operator = settings_of(guarded, OPERATOR)
    good = [record(number, org_id="guarded") for number in range(7001, 7006)]
    async with working(settings_of(guarded, WORKER), store) as worker:
        async with DirectoryPublisher(connection=guarded.connection_of(EMITTER)) as directory:
            await directory.publish(OrgEntry(org_id="guarded"))
        await publish(guarded.connection_of(EMITTER), [*good, replace(record(7006), value=b"{oops")])
        await until(worker.ingest.caught_up)
        assert (await redrive_dead_letters(operator, RedrivePlan(filter=Filter()))).sent == 1
        await until(worker.ingest.caught_up)
    assert await count(store, "guarded") == 5
    assert [letter.attempts async for letter in dead_letters(operator)] == [1, 2]


async def test_a_worker_that_may_not_create_topics_starts_where_they_are(guarded: ApacheKafka, store: Store) -> None:
    settings = settings_of(guarded, WORKER)
    async with working(settings, store):
        pass
    names = [spec.name for spec in topic_specs(usage_partitions=1)] + [LEADER]
    topics = [word for name in names for word in ("--topic", name)]
    worker = ("--allow-principal", f"User:{WORKER}", "--operation", "Create")
    guarded.as_admin("kafka-acls.sh", "--remove", "--force", *worker, *topics)
    async with working(settings, store) as again:
        assert again.ingest.caught_up()


CALLS = """occurred_at,org_id,provider,model,feature,input_tokens
2026-10-01T00:00:00Z,guarded,openai,gpt-4o,chat,1
"""
COLUMNS = [
    word
    for name in ("occurred_at", "org_id", "provider", "model", "feature", "input_tokens")
    for word in ("--column", f"{name}={name}")
]
PRICE = {
    "provider": "openai",
    "models": ["acl-test"],
    "from": "2026-11-01T00:00:00Z",
    "per_million": {"input_tokens": "1"},
    "source": "https://example.org/prices",
    "verified_at": "2026-11-26",
}
OPERATOR_COMMANDS = {
    "dlq list": ["dlq", "list"],
    "dlq show": ["dlq", "show", "0"],
    "dlq redrive": ["dlq", "redrive"],
    "import": ["import", "calls.csv", *COLUMNS],
    "prices history": ["prices", "history", "openai", "gpt-4o"],
    "prices set": ["prices", "set", "row.json"],
    "prices show": ["prices", "show", "openai", "gpt-4o"],
    "prices unset": ["prices", "unset", "withdrawn"],
    "reprice": ["reprice", "--from", "2026-10-01", "--to", "2026-10-02", "--dry-run"],
    "rollups rebuild": ["rollups", "rebuild", "--month", "2026-10"],
    "verify": ["verify"],
}


@pytest.fixture(scope="module")
def filled(guarded: ApacheKafka) -> None:
    """Send a dead letter and a price row."""
    asyncio.run(fill(guarded))


async def fill(guarded: ApacheKafka) -> None:
    admin = stream_settings(guarded.connection)
    await ensure_topics(admin.client_options(), usage_partitions=2)
    producer = DeadLetters.producer(admin.client_options())
    await producer.start()
    try:
        bad = replace(record(7100), value=b"{oops")
        await DeadLetters(producer=producer).send([(bad, Rejected(0, "not_json", "Invalid JSON"))])
        row = {**PRICE, "models": ["acl-withdrawn"]}
        await producer.send_and_wait(PRICES, key=b"withdrawn", value=json.dumps(row).encode())
    finally:
        await producer.stop()


def operator_commands() -> set[str]:
    """Return the commands that connect to Kafka: those with --bootstrap, and `reprice`."""
    found = {"reprice"}

    def walk(group: Any, path: tuple[str, ...]) -> None:
        for name, listed in group.commands.items():
            command = listed.load() if hasattr(listed, "load") else listed
            if hasattr(command, "commands"):
                walk(command, (*path, name))
            elif not listed.hidden and any("--bootstrap" in parameter.opts for parameter in command.params):
                found.add(" ".join((*path, name)))

    walk(get_command(cli.app), ())
    return found


def test_every_command_of_an_operator_is_tested() -> None:
    assert operator_commands() == set(OPERATOR_COMMANDS)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("name", OPERATOR_COMMANDS)
def test_an_operator_may_run_the_command(
    guarded: ApacheKafka, clickhouse_http: ClickHouseHttp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    way = guarded.connection_of(OPERATOR)
    settings = {
        "SPENDMETER_STORE_DSN": clickhouse_http.dsn_of(f"operator_{name.replace(' ', '_')}"),
        "SPENDMETER_BOOTSTRAP": way.bootstrap_servers,
        "SPENDMETER_SECURITY_PROTOCOL": way.security_protocol,
        "SPENDMETER_SASL_MECHANISM": str(way.sasl_mechanism),
        "SPENDMETER_SASL_USERNAME": str(way.sasl_username),
        "SPENDMETER_SASL_PASSWORD": str(way.sasl_password),
        "SPENDMETER_SSL_CAFILE": str(way.ssl_cafile),
    }
    (tmp_path / "calls.csv").write_text(CALLS)
    (tmp_path / "row.json").write_text(json.dumps(PRICE))
    monkeypatch.chdir(tmp_path)
    with Store(StoreSettings(store_dsn=settings["SPENDMETER_STORE_DSN"])) as store:
        asyncio.run(migrate(store))
        insert_usage(store, [usage_row(7200, datetime(2026, 10, 1, 9, tzinfo=UTC))])
    ended = spendmeter(*OPERATOR_COMMANDS[name], **settings)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert "uthoriz" not in ended.stderr


@pytest.mark.parametrize(
    ("user", "topic"),
    [
        (EMITTER, USAGE),
        (EMITTER, DIRECTORY),
        (WORKER, USAGE_DLQ),
        (WORKER, ALERTS),
        (WORKER, BUDGETS),
        (OPERATOR, USAGE),
    ],
)
async def test_no_key_reads_data_of_other_orgs(guarded: ApacheKafka, user: str, topic: str) -> None:
    await ensure_topics(stream_settings(guarded.connection).client_options(), usage_partitions=2)
    consumer = AIOKafkaConsumer(**guarded.connection_of(user).client_options(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        with pytest.raises(TopicAuthorizationFailedError):
            await consumer.getone()
    finally:
        await consumer.stop()


@pytest.mark.parametrize(("user", "topic"), [(EMITTER, USAGE_DLQ), (EMITTER, BUDGETS), (OPERATOR, DIRECTORY)])
async def test_no_role_reads_more_than_its_grants(guarded: ApacheKafka, user: str, topic: str) -> None:
    await ensure_topics(stream_settings(guarded.connection).client_options(), usage_partitions=2)
    async with admin_client(guarded.connection_of(user)) as admin:
        (answer,) = await admin.describe_topics([topic])
    assert answer["error_code"] == TopicAuthorizationFailedError.errno
