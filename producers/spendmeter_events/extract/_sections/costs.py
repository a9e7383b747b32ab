"""The cost that a gateway or provider reports, and whose key was used for the call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spendmeter_events.extract._sections.payload import items, pick
from spendmeter_events.extract._sections.tally import Tally
from spendmeter_events.extract.usage import COST_SOURCE_TAG

_METADATA: Final = ("provider_metadata", "providerMetadata")


def reported_cost(tally: Tally, body: object, usage: object, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cost that a gateway or provider reports, the tag with its field, and the key source."""
    metadata = pick(body, *_METADATA)
    routed = pick(pick(metadata, "openrouter"), "usage")
    own_key = pick(usage, "is_byok") is True or (metadata is not None and _is_own_key(metadata, routed))
    reported: dict[str, Any] = {"key_source": "byok"} if own_key else {}
    for section, name, source in _cost_places(body, usage, metadata, routed):
        amount = tally.usd(section, name)
        if amount is None:
            continue
        if own_key:
            # `cost` is only the gateway's fee; the upstream bills the caller directly.
            upstream = tally.usd(pick(usage, "cost_details"), "upstream_inference_cost")
            if upstream is None:
                upstream = tally.usd(pick(routed, "costDetails"), "upstreamInferenceCost")
            if upstream is None:
                return reported
            amount += upstream
        return reported | {"provider_cost_usd": amount, "tags": {**fields["tags"], COST_SOURCE_TAG: source}}
    return reported


def _cost_places(body: object, usage: object, metadata: object, routed: object) -> Iterator[tuple[object, str, str]]:
    """Yield the sections that may have a cost, the name in it, and the path for the tag."""
    yield pick(usage, "cost"), "total_cost", "usage.cost.total_cost"  # Perplexity
    yield usage, "cost", "usage.cost"  # OpenRouter, also through LiteLLM
    yield usage, "estimated_cost", "usage.estimated_cost"  # DeepInfra
    yield usage, "total_cost", "usage.total_cost"
    yield body, "response_cost", "response_cost"  # LiteLLM's logs and callbacks
    yield pick(body, "_hidden_params"), "response_cost", "_hidden_params.response_cost"  # LiteLLM's SDK
    yield pick(metadata, "gateway"), "cost", "providerMetadata.gateway.cost"  # Vercel's AI Gateway
    yield routed, "cost", "providerMetadata.openrouter.usage.cost"


def _is_own_key(metadata: object, routed: object) -> bool:
    """Return whether OpenRouter's or the AI Gateway's call used the caller's key."""
    if pick(routed, "isByok", "is_byok") is True:
        return True
    attempts = items(pick(pick(metadata, "gateway"), "routing"), "attempts")
    return any(pick(each, "success") is True and pick(each, "credentialType") == "byok" for each in attempts)
