"""`instrument(client, producer, …)`: emit an event for every billed call of an SDK client."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from spendmeter_events.event import UsageEvent
from spendmeter_events.extract._apis.anthropic import ANTHROPIC
from spendmeter_events.extract._apis.compatible import DEEPSEEK, MISTRAL, OPENROUTER, PERPLEXITY
from spendmeter_events.extract._apis.dialect import Dialect
from spendmeter_events.extract._apis.gemini import GEMINI
from spendmeter_events.extract._apis.openai import OPENAI
from spendmeter_events.extract._apis.xai import XAI
from spendmeter_events.instrument._call import EmitsUsage, Meter
from spendmeter_events.instrument._google import instrument_google
from spendmeter_events.instrument._hosts import STREAM_USAGE, provider_of_host
from spendmeter_events.instrument._stainless import instrument_stainless

ClientT = TypeVar("ClientT")

_DIALECTS: Final = {
    "xai": XAI,
    "openrouter": OPENROUTER,
    "mistral": MISTRAL,
    "deepseek": DEEPSEEK,
    "perplexity": PERPLEXITY,
}
_REGIONS: Final = re.compile(
    r"^bedrock-\w+\.([a-z\d-]+)\.|^([a-z\d-]+)-aiplatform\.|^(us|eu|ae|au|in|jp)\.api\.openai\.com$"
)
"""Regions in host names: AWS and Google regions, OpenAI's data residency."""
_INNER_CLIENTS: Final = ("root_client", "root_async_client")
"""Attributes of LangChain's OpenAI models with the clients that they use."""


def instrument(
    client: ClientT,
    producer: EmitsUsage,
    *,
    org_id: str,
    feature: str,
    provider: str = "",
    stream_usage: bool | None = None,
    **defaults: Any,
) -> ClientT:
    """Emit one `UsageEvent` for each billed call of this client. Returns the same client.

    Supports clients of `openai` (also Azure and compatible services), `anthropic` (also on Bedrock and Vertex) and
    `google-genai`, sync and async. The caller receives the same objects, exceptions and lazy streams as before.
    `defaults` are further fields of the event (`user_id=`, `tags=`, …); `usage_context` sets them per call.
    LangChain's OpenAI models (`ChatOpenAI`) are instrumented through their clients. `provider` defaults to the one of
    the client's class and base URL. `stream_usage` requests the usage of chat streams and hides the extra chunk; by
    default, on hosts that are known to report it. Otherwise, streams without `include_usage` are `missing`.

    Raises `TypeError` for any other client and `pydantic.ValidationError` for defaults that violate the contract.
    """
    inner = [each for name in _INNER_CLIENTS if (each := getattr(client, name, None)) is not None]
    if inner:
        given: dict[str, Any] = {
            "org_id": org_id,
            "feature": feature,
            "provider": provider,
            "stream_usage": stream_usage,
        }
        for each in inner:
            instrument(each, producer, **given, **defaults)
        return client
    package = _package(client)
    name = provider or _provider(package, client)
    region = _region(package, client)
    fields = {"org_id": org_id, "feature": feature, **({"region": region} if region else {}), **defaults}
    # Reject invalid defaults now, instead of logging at the first call.
    UsageEvent.now(**{"provider": name, "model": "-", **fields})
    dialect = _dialect(package, name)
    if stream_usage is None:
        stream_usage = _provider_of_host(client) in STREAM_USAGE
    meter = Meter(producer=producer, provider=name, dialect=dialect, defaults=fields, stream_usage=stream_usage)
    wrap = instrument_google if package == "google.genai" else instrument_stainless
    wrap(client, meter)
    return client


def _package(client: object) -> str:
    """Return the SDK that defines the client's class or one of its bases."""
    for kind in type(client).__mro__:
        for package in ("openai", "anthropic", "google.genai"):
            if f"{kind.__module__}.".startswith(f"{package}."):
                return package
    raise TypeError(
        f"{type(client).__name__} is not a client of openai, anthropic or google-genai; instrument its inner client,"
        " or use an extractor (docs/extractors.md)"
    )


def _dialect(package: str, provider: str) -> Dialect:
    if package == "anthropic":
        return ANTHROPIC
    return GEMINI if package == "google.genai" else _DIALECTS.get(provider, OPENAI)


def _provider(package: str, client: Any) -> str:
    """Return the provider that bills the calls."""
    kinds = " ".join(kind.__name__ for kind in type(client).__mro__)
    if package == "google.genai" and getattr(client, "vertexai", False):
        return "vertex"
    for word, name in (("Azure", "azure"), ("Foundry", "azure"), ("Bedrock", "bedrock"), ("Vertex", "vertex")):
        if word in kinds:
            return name
    return _provider_of_host(client) or ("gemini" if package == "google.genai" else package)


def _provider_of_host(client: Any) -> str:
    address = _address(client)
    return provider_of_host(address.hostname, _port(address)) if address.hostname else ""


def _region(package: str, client: Any) -> str:
    """Return the region of the client if the price depends on it."""
    if package == "google.genai":
        inner = getattr(client, "_api_client", None)
        return str(getattr(inner, "location", None) or "") if getattr(client, "vertexai", False) else ""
    if package == "anthropic":
        return str(getattr(client, "aws_region", None) or getattr(client, "region", None) or "")
    found = _REGIONS.search(_host(client))
    return next((name for name in found.groups() if name), "") if found else ""


def _address(client: Any) -> SplitResult:
    inner = getattr(getattr(client, "_api_client", None), "_http_options", None)  # google-genai
    return urlsplit(str(getattr(client, "base_url", None) or getattr(inner, "base_url", None) or ""))


def _host(client: Any) -> str:
    return _address(client).hostname or ""


def _port(address: SplitResult) -> int | None:
    try:
        return address.port
    except ValueError:  # not a number, or beyond 65535
        return None
