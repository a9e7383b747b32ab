"""`POST /v1/traces` with OpenTelemetry's own exporter: model calls are in Kafka, each once, and nothing else is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.scopes import EVENTS_WRITE, ORG_READ
from spendmeter_events import KafkaConnection
from spendmeter_events.topics import USAGE
from spendmeter_rollups import ServiceSettings
from spendmeter_rollups.collect.otlp_bodies import MOST_SPANS
from tests.support.collector import ADMIN, collector, key, listening_collector, stored
from tests.support.kafka.process import free_port
from tests.support.kafka.tansu import Tansu
from tests.support.kafka.topic import create_topic
from tests.support.otlp import as_json
from tests.support.service import ADMIN_KEY

PATH = "/v1/traces"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
CALL: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.input.messages": "SECRET prompt",
    "spendmeter.user_id": "u-7",
    "spendmeter.tags.class": "5b",
}


def spans(tracer: Tracer) -> None:
    """An agent's run: only its two model calls count."""
    with tracer.start_as_current_span("invoke_agent") as agent:
        agent.set_attributes({**CALL, "gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 2400})
        with tracer.start_as_current_span("chat gpt-4o") as first:
            first.set_attributes(CALL)
        with tracer.start_as_current_span("execute_tool") as tool:
            tool.set_attributes({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "SECRET"})
        with tracer.start_as_current_span("GET /") as http:
            http.set_attributes({"http.request.method": "GET"})
        # A framework's span of a call, and the provider SDK's span inside it.
        with tracer.start_as_current_span("ChatOpenAI.chat") as outer:
            outer.set_attributes({**CALL, "spendmeter.feature": "outer"})
            with tracer.start_as_current_span("chat gpt-4o") as inner:
                inner.set_attributes({**CALL, "spendmeter.feature": "essay"})


def traced(exporter: SpanExporter, **resource: str) -> Tracer:
    provider = TracerProvider(resource=Resource.create(resource))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("tests")


@pytest.fixture
def memory() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    spans(traced(exporter, **{"service.name": "tutor", "spendmeter.org_id": "acme"}))
    yield exporter
    exporter.clear()


def encoded(memory: InMemorySpanExporter) -> ExportTraceServiceRequest:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    return encode_spans(memory.get_finished_spans())


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_each_call_of_an_exporter_is_counted_once(
    fresh_tansu: Tansu, store: Store, memory: InMemorySpanExporter, compression: Compression
) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    async with listening_collector(store, fresh_tansu.connection) as url:
        exporter = OTLPSpanExporter(endpoint=f"{url}{PATH}", headers=ADMIN, compression=compression, timeout=20)
        for _ in range(2):
            # The second export is a retry.
            result = await asyncio.to_thread(exporter.export, memory.get_finished_spans())
            assert result is SpanExportResult.SUCCESS
    found = await stored(fresh_tansu.connection, 2)
    assert sorted(event["feature"] for event in found) == ["essay", "tutor"]
    assert "SECRET" not in json.dumps(found)
    for event in found:
        counts = (event["input_tokens"], event["cache_read_tokens"], event["output_tokens"])
        assert counts == (176, 1024, 10)
        who = (event["org_id"], event["user_id"], event["provider"], event["model"], event["request_id"])
        assert who == ("acme", "u-7", "openai", "gpt-4o", "chatcmpl-1")
        assert event["tags"] == {"class": "5b", "service.name": "tutor"}


async def test_json_and_protobuf_give_the_same_events(
    fresh_tansu: Tansu, store: Store, memory: InMemorySpanExporter
) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    request = encoded(memory)
    async with collector(store, fresh_tansu.connection, now=None) as http:
        answer = await http.post(PATH, json=as_json(request))
        assert (answer.status_code, answer.json()) == (200, {})
        answer = await http.post(PATH, content=request.SerializeToString(), headers=PROTOBUF)
        assert answer.headers["Content-Type"] == "application/x-protobuf"
        assert ExportTraceServiceResponse.FromString(answer.content) == ExportTraceServiceResponse()
        metrics = (await http.get("/metrics")).text
        assert (await http.post(PATH, content=b"", headers=PROTOBUF)).status_code == 200
    assert 'outcome="accepted"} 2.0' in metrics
    assert 'outcome="duplicate"} 2.0' in metrics
    assert len(await stored(fresh_tansu.connection, 2)) == 2


async def test_refused_spans_are_in_partial_success(
    fresh_tansu: Tansu, store: Store, memory: InMemorySpanExporter
) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    request = encoded(memory)
    foreign = key(EVENTS_WRITE, org="other")
    async with collector(store, fresh_tansu.connection, now=None) as http:
        answer = await http.post(PATH, json=as_json(request), headers=foreign)
        partial = answer.json()["partialSuccess"]
        assert (answer.status_code, partial["rejectedSpans"]) == (200, "2")
        assert partial["errorMessage"] == "2 refused: org_id: this credential may only write its own org"
        del request.resource_spans[0].resource.attributes[:]
        answer = await http.post(PATH, content=request.SerializeToString(), headers={**PROTOBUF, **ADMIN})
        found = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert found.rejected_spans == 2
        assert "org_id" in found.error_message
        # The org of the key applies where no attribute names one.
        answer = await http.post(PATH, content=request.SerializeToString(), headers={**PROTOBUF, **foreign})
        assert answer.content == b""
    assert {event["org_id"] for event in await stored(fresh_tansu.connection, 2)} == {"other"}


async def test_a_call_of_another_org_or_a_refused_one_hides_no_call(
    fresh_tansu: Tansu, store: Store, memory: InMemorySpanExporter
) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    inner, outer = encoded(memory), encoded(memory)
    for request in (inner, outer):
        del request.resource_spans[0].resource.attributes[:]
    for request, feature in ((inner, "essay"), (outer, "outer")):
        spans = request.resource_spans[0].scope_spans[0].spans
        kept = [span for span in spans if feature in str(span.attributes)]
        del spans[:]
        spans.extend(kept)
    refused = ExportTraceServiceRequest.FromString(inner.SerializeToString())
    (span,) = refused.resource_spans[0].scope_spans[0].spans
    span.attributes.add(key="spendmeter.org_id").value.string_value = "mine"
    mine, theirs = key(EVENTS_WRITE, org="mine"), key(EVENTS_WRITE, org="theirs")
    async with collector(store, fresh_tansu.connection, now=None) as http:
        for request, sender in ((inner, mine), (refused, theirs), (outer, theirs), (outer, mine)):
            assert (await http.post(PATH, json=as_json(request), headers=sender)).status_code == 200
    found = [(event["org_id"], event["feature"]) for event in await stored(fresh_tansu.connection, 2)]
    assert found == [("mine", "essay"), ("theirs", "outer")]


async def test_errors_are_a_status_in_the_encoding_of_the_request(store: Store, fresh_tansu: Tansu) -> None:
    def status(content: bytes) -> tuple[int, str]:
        # google.rpc.Status has the same wire format.
        found = ExportTracePartialSuccess.FromString(content)
        return found.rejected_spans, found.error_message

    async with collector(store, fresh_tansu.connection, now=None) as http:
        bad = await http.post(PATH, content=b"\xff", headers=PROTOBUF)
        assert (bad.status_code, status(bad.content)[0]) == (400, 3)
        for body in (b"\xff", b'{"resourceSpans": 1}', b"[]", b'{"resourceSpans": [{"scopeSpans": [1]}]}'):
            bad = await http.post(PATH, content=body, headers={"Content-Type": "application/json"})
            assert (bad.status_code, bad.json()["code"]) == (400, 3)
        reader = await http.post(PATH, content=b"", headers={**PROTOBUF, **key(ORG_READ, org="acme")})
        assert (reader.status_code, status(reader.content)[0]) == (403, 7)
        assert (await http.post(PATH, content=b"", headers={"Content-Type": "text/plain"})).status_code == 415
        anonymous = await http.post(PATH, content=b"", headers={**PROTOBUF, "Authorization": "Bearer no"})
        assert (anonymous.status_code, status(anonymous.content)[0]) == (401, 16)
        assert (await http.post(PATH, content=bytes(20 * 2**20 + 1), headers=PROTOBUF)).status_code == 413
        many: dict[str, Any] = {"resourceSpans": [{"scopeSpans": [{"spans": [{}] * (MOST_SPANS + 1)}]}]}
        assert (await http.post(PATH, json=many)).status_code == 413


async def test_an_export_is_repeated_later_without_kafka(store: Store, memory: InMemorySpanExporter) -> None:
    nowhere = KafkaConnection(bootstrap_servers=f"127.0.0.1:{free_port()}")
    async with collector(store, nowhere, ready=False, now=None) as http:
        answer = await http.post(PATH, json=as_json(encoded(memory)))
        assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, 14, "2")


async def test_a_setting_names_the_attributes_of_orgs_and_tags(fresh_tansu: Tansu, store: Store) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    memory = InMemorySpanExporter()
    with traced(memory, **{"tenant.id": "acme"}).start_as_current_span("chat") as span:
        span.set_attributes({**CALL, "course": "algebra"})
    settings = ServiceSettings(admin_key=ADMIN_KEY, span_attributes="org_id=tenant.id, tags.course=course")
    async with collector(store, fresh_tansu.connection, now=None, settings=settings) as http:
        assert (await http.post(PATH, json=as_json(encoded(memory)))).json() == {}
    (event,) = await stored(fresh_tansu.connection, 1)
    assert (event["org_id"], event["tags"]["course"]) == ("acme", "algebra")
