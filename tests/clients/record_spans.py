"""Record the spans of real frameworks, called against a fake provider, in the format of OTLP's file exporter.

    python -m venv /tmp/frameworks && /tmp/frameworks/bin/pip install aiohttp -r tests/clients/frameworks.txt
    for name in openai langchain langchain_openllmetry pydantic_ai openai_agents; do
      PYTHONPATH=. /tmp/frameworks/bin/python -m tests.clients.record_spans $name; done

Installing them takes more than a minute, so CI replays the recordings (`test_rollups_real_clients.py`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.clients.replies import CHUNKS, embedding, response, script
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.otlp import as_json

FOLDER: Final = Path(__file__).with_name("spans")
_LONGEST: Final = 300
_ASK: Final = "SECRET prompt"


def weather() -> str:
    """Return the weather."""
    return "sun"


def _openai(fake: FakeProvider, provider: TracerProvider) -> None:
    from openai import OpenAI
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    script(fake, tool=False)
    fake.answer(events=CHUNKS, content_type="text/event-stream")
    fake.answer(body=embedding())
    fake.answer(body=response(1))
    client = OpenAI()
    messages: list[Any] = [{"role": "user", "content": _ASK}]
    client.chat.completions.create(model="gpt-4o", messages=messages)
    list(client.chat.completions.create(model="gpt-4o", messages=messages, stream=True))
    client.embeddings.create(model="text-embedding-3-small", input=_ASK)
    client.responses.create(model="gpt-4o", input=_ASK)


def _langchain_agent(fake: FakeProvider) -> None:
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    script(fake)
    fake.answer(events=CHUNKS, content_type="text/event-stream")
    create_agent(ChatOpenAI(model="gpt-4o"), tools=[weather]).invoke({"messages": [("user", _ASK)]})
    list(ChatOpenAI(model="gpt-4o", stream_usage=True).stream(_ASK))


def _langchain(fake: FakeProvider, provider: TracerProvider) -> None:
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=provider)
    _langchain_agent(fake)


def _langchain_openllmetry(fake: FakeProvider, provider: TracerProvider) -> None:
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    LangchainInstrumentor().instrument(tracer_provider=provider)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    _langchain_agent(fake)


def _pydantic_ai(fake: FakeProvider, provider: TracerProvider) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.openai import OpenAIChatModel

    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    script(fake)
    Agent(OpenAIChatModel("gpt-4o"), tools=[weather], name="tutor").run_sync(_ASK)


def _openai_agents(fake: FakeProvider, provider: TracerProvider) -> None:
    from agents import Agent, Runner, function_tool
    from openinference.instrumentation.openai import OpenAIInstrumentor
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    # Both see each call.
    OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    fake.answer(body=response(1, tool=True))
    fake.answer(body=response(2))
    Runner.run_sync(Agent(name="tutor", model="gpt-4o", tools=[function_tool(weather)]), _ASK)


FRAMEWORKS: Final[dict[str, Callable[[FakeProvider, TracerProvider], None]]] = {
    "openai": _openai,
    "langchain": _langchain,
    "langchain_openllmetry": _langchain_openllmetry,
    "pydantic_ai": _pydantic_ai,
    "openai_agents": _openai_agents,
}


def _shortened(value: Any) -> Any:
    """Return the document with long contents cut."""
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    return value[:_LONGEST] if isinstance(value, str) else value


def main(name: str) -> None:
    """Record one framework."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    with fake_provider() as fake:
        os.environ |= {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"{fake.url}/v1"}
        FRAMEWORKS[name](fake, provider)
        assert not fake.replies, "not every scripted reply was requested"
    document = _shortened(as_json(encode_spans(memory.get_finished_spans())))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
