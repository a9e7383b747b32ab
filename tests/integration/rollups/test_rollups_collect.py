"""The collector on a real broker: what is answered as accepted is in Kafka, and nothing else is."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest
from aiokafka.errors import KafkaTimeoutError

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.scopes import EVENTS_WRITE, ORG_READ, PLATFORM_READ, PLATFORM_WRITE
from spendmeter_deploy.listening import listen, served, url_of
from spendmeter_events import KafkaConnection, UsageEvent
from spendmeter_events.topics import USAGE
from spendmeter_rollups import ServiceSettings
from spendmeter_rollups.app import create_collector
from spendmeter_rollups.collect.event_publisher import EventPublisher
from spendmeter_rollups.problems import Problem
from tests.support.collector import ADMIN, collector, key, stored
from tests.support.kafka.process import free_port
from tests.support.kafka.tansu import Tansu
from tests.support.kafka.topic import create_topic
from tests.support.records import event_fields
from tests.support.service import ADMIN_KEY
from tests.support.tool_payloads import litellm_payload
from tests.support.until import until

README = Path(__file__).parents[3] / "README.md"
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PATH = "/v1/events"


async def test_every_form_of_a_body_is_in_kafka_when_it_is_answered(fresh_tansu: Tansu, store: Store) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=3)
    one, two, three, four, five, six = (json.dumps(event_fields(number)) for number in range(1, 7))
    cloud = {"specversion": "1.0", "source": "/tutor", "type": "call"}
    binary = {f"ce-{name}": value for name, value in cloud.items()}
    bare = {name: value for name, value in event_fields(7).items() if name != "event_id"}
    async with collector(store, fresh_tansu.connection) as http:
        answers = [
            await http.post(PATH, content=one),
            await http.post(PATH, content=f"[{two},{three}]"),
            await http.post(
                PATH, content=gzip.compress(f"{four}\n{five}\n".encode()), headers={"Content-Encoding": "gzip"}
            ),
            await http.post(PATH, content=six, headers={**binary, "ce-id": "6"}),
            await http.post(
                PATH,
                content=json.dumps([{**cloud, "id": "7", "data": bare}]),
                headers={"Content-Type": "application/cloudevents-batch+json"},
            ),
        ]
        assert [answer.status_code for answer in answers] == [200] * 5, [answer.text for answer in answers]
        assert [answer.json()["accepted"] for answer in answers] == [1, 2, 2, 1, 1]
    found = await stored(fresh_tansu.connection, 7)
    accepted = [result["event_id"] for answer in answers for result in answer.json()["results"]]
    assert sorted(event["event_id"] for event in found) == sorted(accepted)
    assert len(set(accepted)) == 7


async def test_each_event_has_a_result_and_only_accepted_ones_are_published(fresh_tansu: Tansu, store: Store) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    mixed = [
        event_fields(1),
        event_fields(2, input_tokens="secret"),
        event_fields(1),
        event_fields(3, occurred_at="2026-11-23T00:00:00Z"),
        event_fields(4, occurred_at="2026-11-02T15:30:00"),
    ]
    async with collector(store, fresh_tansu.connection) as http:
        answer = await http.post(PATH, json=mixed, params={"timezone": "Asia/Kolkata"})
        assert answer.status_code == 207
        body = answer.json()
        assert [result["status"] for result in body["results"]] == [
            "accepted", "refused", "duplicate", "refused", "accepted",
        ]  # fmt: skip
        assert (body["accepted"], body["duplicates"], body["refused"]) == (2, 1, 2)
        refused = body["results"][1]
        assert (refused["code"], refused["field"]) == ("invalid_field", "input_tokens")
        assert "secret" not in answer.text
        metrics = (await http.get("/metrics")).text
        for outcome, count in {"accepted": 2, "duplicate": 1, "refused": 2, "unacknowledged": 0}.items():
            assert f'spendmeter_collector_events_total{{outcome="{outcome}"}} {count}.0' in metrics
        assert body["results"][3]["code"] == "occurred_at_out_of_range"
        assert (await http.post(PATH, json=mixed[1])).status_code == 422
        again = (await http.post(PATH, json=[mixed[0], event_fields(1, org_id="other")])).json()
        assert [result["status"] for result in again["results"]] == ["duplicate", "accepted"]
        assert (await http.post(PATH, json=mixed[0], params={"timezone": "Mars"})).status_code == 422
        for path in (PATH, "/v1/litellm"):
            empty = await http.post(path, content=b"[]")
            assert (empty.status_code, "errors" in empty.json()) == (400, False)
    times = sorted(event["occurred_at"] for event in await stored(fresh_tansu.connection, 3))
    assert [text[:19] for text in times] == ["2026-11-02T10:00:00", "2026-11-02T10:01:00", "2026-11-02T10:01:00"]


async def test_a_key_writes_only_its_own_org_and_only_with_the_scope(fresh_tansu: Tansu, store: Store) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    bare = {name: value for name, value in event_fields(2).items() if name != "org_id"}
    own = key(EVENTS_WRITE, ORG_READ, org="acme")
    async with collector(store, fresh_tansu.connection) as http:
        foreign = await http.post(PATH, json=[event_fields(1), {**bare, "org_id": "acme"}], headers=own)
        assert [result.get("code") for result in foreign.json()["results"]] == ["forbidden_org", None]
        filled = await http.post(PATH, json={**bare, "event_id": "call-3"}, headers=own)
        assert filled.status_code == 200, filled.text
        for scopes in ((ORG_READ,), (PLATFORM_READ,), (PLATFORM_WRITE,)):
            assert (await http.post(PATH, json=bare, headers=key(*scopes, org="acme"))).status_code == 403
        assert (await http.post(PATH, json=bare, headers={"Authorization": ""})).status_code == 401
        assert (await http.get("/v1/usage/summary", headers=key(EVENTS_WRITE, org="acme"))).status_code == 403
    assert {event["org_id"] for event in await stored(fresh_tansu.connection, 2)} == {"acme"}


async def test_every_form_of_a_litellm_log_is_counted_once(fresh_tansu: Tansu, store: Store) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    calls = [litellm_payload(id=f"call-{number}") for number in range(5)]
    lines = "\n".join(json.dumps(call) for call in calls[2:4])
    async with collector(store, fresh_tansu.connection) as http:
        bodies = (json.dumps([calls[0], calls[1], None, {**calls[4], "cache_hit": True}]), lines, json.dumps(calls[4]))
        writer = key(EVENTS_WRITE, org="acme")
        answers = [await http.post("/v1/litellm", content=body, headers=writer) for body in bodies]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert [answer.json()["accepted"] for answer in answers] == [2, 2, 1]
        assert answers[0].json()["ignored"] == 2
        assert (await http.post("/v1/litellm", json=calls[0], headers=writer)).json()["duplicates"] == 1
        odd = await http.post("/v1/litellm", json=[{"model": "SECRET"}], headers=writer)
        assert (odd.status_code, odd.json()["results"][0]["code"]) == (422, "missing_field")
        assert (await http.post("/v1/litellm", json=calls[0], headers=key(ORG_READ, org="acme"))).status_code == 403
    found = await stored(fresh_tansu.connection, 5)
    assert {(event["org_id"], event["input_tokens"], event["cache_read_tokens"]) for event in found} == {
        ("acme", 176, 1024)
    }
    assert "SECRET" not in json.dumps(found)


async def test_a_body_has_a_limit_in_bytes(fresh_tansu: Tansu, store: Store) -> None:
    async with collector(store, fresh_tansu.connection) as http:
        assert (await http.post(PATH, content=bytes(4 * 2**20 + 1))).status_code == 413
        bomb = gzip.compress(bytes(2**26))
        assert (await http.post(PATH, content=bomb, headers={"Content-Encoding": "gzip"})).status_code == 413
        assert (await http.post("/v1/budgets", content=bytes(2**17))).status_code == 413


async def test_unacknowledged_events_are_refused_with_retry_after(store: Store) -> None:
    nowhere = KafkaConnection(bootstrap_servers=f"127.0.0.1:{free_port()}")
    async with collector(store, nowhere, ready=False) as http:
        answer = await http.post(PATH, json=event_fields(1))
        metrics = (await http.get("/metrics")).text
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert 'spendmeter_collector_events_total{outcome="unacknowledged"} 1.0' in metrics


async def test_a_full_buffer_and_a_missing_acknowledgement_are_not_accepted(
    fresh_tansu: Tansu, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    async with collector(store, fresh_tansu.connection, most_in_flight=2) as http:
        full = await http.post(PATH, json=[event_fields(number) for number in (1, 2, 3)])
        assert (full.status_code, full.headers["Retry-After"]) == (503, "2")
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(KafkaTimeoutError())

        async def send(*_: object, **__: object) -> asyncio.Future[None]:
            return failed

        with monkeypatch.context() as patched:
            patched.setattr("aiokafka.AIOKafkaProducer.send", send)
            assert (await http.post(PATH, json=event_fields(1))).status_code == 503
        assert (await http.post(PATH, json=event_fields(1))).status_code == 200


async def test_a_request_that_a_stop_cancels_is_not_accepted(fresh_tansu: Tansu) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    publisher = EventPublisher(fresh_tansu.connection)
    await publisher.start()
    await until(lambda: publisher.connected)
    fresh_tansu.freeze()
    publishing = asyncio.create_task(publisher.publish([UsageEvent.model_validate_json(json.dumps(event_fields(1)))]))
    await asyncio.sleep(0)  # It waits for the broker now.
    publishing.cancel()
    with pytest.raises(Problem) as refused:
        await publishing
    assert refused.value.status == 503
    fresh_tansu.thaw()
    await publisher.stop()


async def test_the_recipe_of_the_readme_is_accepted_as_written(fresh_tansu: Tansu, store: Store) -> None:
    (recipe,) = [block for block in SHELL_BLOCK.findall(README.read_text()) if "/v1/events" in block]
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    publisher = EventPublisher(fresh_tansu.connection)
    await publisher.start()
    app = create_collector(store=store, settings=ServiceSettings(admin_key=ADMIN_KEY), publisher=publisher)
    listener = listen("127.0.0.1", 0, host_setting="")
    try:
        await until(lambda: publisher.connected)
        async with served(app, listener):
            script = recipe.replace("http://127.0.0.1:8080", url_of(listener))
            environment = {**os.environ, "KEY": ADMIN_KEY}
            command = ["sh", "-eu", "-c", script]
            done = await asyncio.to_thread(
                subprocess.run, command, env=environment, capture_output=True, timeout=60, check=True
            )
    finally:
        await publisher.stop()
    assert json.loads(done.stdout)["accepted"] == 1
    (event,) = await stored(fresh_tansu.connection, 1)
    assert (event["org_id"], event["input_tokens"], event["cache_read_tokens"]) == ("school-1", 176, 1024)


async def test_a_separate_collector_serves_events_and_health_only(store: Store) -> None:
    publisher = EventPublisher(KafkaConnection(bootstrap_servers=f"127.0.0.1:{free_port()}"))
    app = create_collector(store=store, settings=ServiceSettings(admin_key=ADMIN_KEY), publisher=publisher)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=ADMIN) as http:
        statuses = {path: (await http.get(path)).status_code for path in ("/healthz", "/readyz", "/v1/usage/summary")}
        assert statuses == {"/healthz": 200, "/readyz": 503, "/v1/usage/summary": 404}
        assert "spendmeter_http_requests_total" in (await http.get("/metrics")).text
    app.state.service.close()
