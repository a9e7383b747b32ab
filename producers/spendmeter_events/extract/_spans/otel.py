"""OpenTelemetry's GenAI attributes: current names, older ones, and other dialects in use.

By the conventions, input includes cached tokens (read and written) and output includes reasoning. Instrumentations of
providers that report cached tokens separately do not all follow this; see `facts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from spendmeter_events.extract._apis.dialect import lenient
from spendmeter_events.extract._sections.payload import items, pick, text, tier
from spendmeter_events.extract._sections.tally import NOT_THE_SUM, Kinds, Tally
from spendmeter_events.extract._spans.attributes import names_by_kind, usage_attributes
from spendmeter_events.extract._spans.facts import cache_outside, is_inference, scope_of
from spendmeter_events.extract._spans.providers import provider_of
from spendmeter_events.extract.usage import COST_SOURCE_TAG, State, Usage

_MODEL: Final = (
    "gen_ai.response.model",
    "gen_ai.request.model",
    "llm.response.model_name",
    "llm.response.model",
    "llm.model_name",
    "llm.request.model_name",
    "embedding.model_name",
    "ai.response.model",
    "ai.model.id",
)
_PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider")
_TIER: Final = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
_ID: Final = ("gen_ai.response.id", "ai.response.id", "llm.response.id")
_COST: Final = ("gen_ai.usage.total_cost", "gen_ai.usage.cost", "llm.cost.total", "gen_ai.cost.total_cost")


def from_otel(span: object, *, scope: object = None, strict: bool = False) -> Usage:
    """Return the usage of a GenAI span: attributes as a dict or OTLP key/value list, or an object with `attributes`.

    `scope` is the instrumentation scope (`{"name": …, "version": …}`, or the name), unless the span has it: some
    instrumentations leave cached tokens out of the input. A span that is not a model call has the state
    `not_inference` and no counts. With `strict`, raises `InconsistentUsage`.
    """
    attributes = attributes_of(span)
    provider, model = provider_of(text(pick(attributes, *_PROVIDER))), text(pick(attributes, *_MODEL))
    fields: dict[str, Any] = {"model": model, "request_id": text(pick(attributes, *_ID))}
    if not is_inference(attributes):
        return Usage(provider=provider, state="not_inference", **fields)
    tally, section = Tally(), usage_attributes(attributes)
    outside = cache_outside(scope_of(span, attributes, scope), provider, model, section)
    counts = _counts(tally, section, outside, embeds=_embeds(attributes))
    reported = {"input_tokens", "output_tokens"} <= counts.keys()
    state: State = "complete" if reported else "missing"
    fields |= {"service_tier": tier(pick(attributes, *_TIER)), **_outcome(attributes), **_cost(tally, attributes)}
    return lenient(lambda: tally.usage(section, provider=provider, state=state, **fields, **counts), strict)


def _counts(tally: Tally, section: Mapping[str, Any], outside: bool | None, *, embeds: bool) -> dict[str, int]:
    names = names_by_kind(section)
    tally.skip(section, *names.pop("repeated"))
    found = {kind: tally.count(section, *names[kind]) for kind in names}
    total = found["total"]
    prompt, output = tally.fill_from_total(found["input"], found["output"], total)
    if output is None and (embeds or any(name.endswith(".usage.tokens") for name in names["input"])):
        output = 0
    counts: dict[str, int] = {}
    input_total = prompt
    if prompt is not None:
        written = tally.writes(found["written"], found["short"], found["long"])
        cache = (found["cached"] or 0) + sum(written)
        rest = None if total is None else total - (output or 0)
        input_total = _input_with_cache(tally, prompt, cache, rest, outside)
        kinds = Kinds(found["audio_in"] or 0, found["image_in"] or 0)
        cached_kinds = Kinds(found["cached_audio"] or 0, found["cached_image"] or 0)
        counts |= tally.input_side(
            input_total, cached=found["cached"], writes=written, kinds=kinds, cached_kinds=cached_kinds
        )
    if output is not None:
        reasoning = found["reasoning"] or 0
        if total is not None and total - output not in (prompt, input_total) and reasoning:
            # Google's output excludes reasoning, and AI SDK 4 and 5 report it so.
            output += reasoning if total - output - reasoning in (prompt, input_total) else 0
        kinds = Kinds(found["audio_out"] or 0, found["image_out"] or 0)
        counts |= tally.output_side(output, reasoning=found["reasoning"], kinds=kinds)
    if total is None or prompt is None or output is None:
        return counts
    if total - output not in (prompt, input_total):
        tally.faults.append(NOT_THE_SUM)
    return counts


def _input_with_cache(tally: Tally, prompt: int, cache: int, rest: int | None, outside: bool | None) -> int:
    """Return the input including cached tokens. `rest` is the total without the output."""
    if not cache or (prompt < cache and outside is None):
        return prompt  # if it is less than its parts, `input_side` reports the fault
    if outside or rest == prompt + cache:
        return prompt + cache
    # Many instrumentations compute the total from the input, so a total without cached tokens proves nothing.
    tally.ambiguous = outside is None
    return prompt


def _embeds(attributes: Mapping[str, Any]) -> bool:
    operation = text(pick(attributes, "gen_ai.operation.name")).lower()
    kinds = (text(pick(attributes, "openinference.span.kind")), text(pick(attributes, "llm.request.type")))
    return operation.startswith("embed") or any(kind.lower() == "embedding" for kind in kinds)


def _outcome(attributes: Mapping[str, Any]) -> dict[str, str]:
    error = text(pick(attributes, "error.type"), 64)
    return {"status": "error", "error_type": error} if error else {}


def _cost(tally: Tally, attributes: Mapping[str, Any]) -> dict[str, Any]:
    for name in _COST:
        cost = tally.usd(attributes, name)
        if cost is not None:
            return {"provider_cost_usd": cost, "tags": {COST_SOURCE_TAG: name}}
    return {}


def attributes_of(span: object) -> Mapping[str, Any]:
    """Return `{name: value}` from a mapping, a span, or OTLP's `[{"key": …, "value": {"intValue": "12"}}]`."""
    found = pick(span, "attributes")
    found = span if found is None else found
    if isinstance(found, Sequence):
        pairs = items({"all": found}, "all")
        return {text(pick(pair, "key")): _value(pick(pair, "value")) for pair in pairs}
    return found if isinstance(found, Mapping) else {}


def _value(typed: object) -> object:
    return pick(typed, "intValue", "int_value", "stringValue", "string_value", "doubleValue", "double_value")
