"""Results of the Vercel AI SDK, versions 4 to 6, in OpenAI's layout.

Versions 4 and 5 report a part of the counts in `providerMetadata` only. Until version 6, the input of Anthropic and
Bedrock excludes cached tokens, as in their APIs; in version 6 it includes them for every provider.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from spendmeter_events.extract._sections.payload import fields_of, items, pick

METADATA: Final = ("providerMetadata", "provider_metadata", "experimental_providerMetadata")
MARKS: Final = frozenset((*METADATA, "totalUsage", "steps"))
"""Keys that only results of the AI SDK have."""
_OUTSIDE: Final = ("anthropic", "bedrock")
"""Providers whose input excludes cached tokens before version 6."""
STEP_ENDS: Final = ("finish-step", "step-finish")
"""Types of the parts that end a step in a stream."""
_SIDES: Final = frozenset(("inputTokens", "promptTokens", "outputTokens", "completionTokens", "totalTokens", "tokens"))
_PARTS: Final = ("cachedInputTokens", "reasoningTokens", "inputTokenDetails", "outputTokenDetails", "raw")


def result(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a result, a step or its middleware form in OpenAI's layout; None if it has no usage of the AI SDK."""
    steps = [step for each in items(payload, "steps") if (step := _step(each)) is not None]
    if len(steps) > 1:
        # `usage` and `providerMetadata` of the result are those of the last step.
        return {**steps[-1], "usage": added([step["usage"] for step in steps])}
    return _step(payload)


def has_usage(usage: object) -> bool:
    """Return whether a usage section needs `result`: it has the provider's own usage, counts by kind, or one count."""
    if not isinstance(usage, Mapping):
        return False
    return (
        ("raw" in usage and not _SIDES.isdisjoint(usage))
        or isinstance(usage.get("inputTokens"), Mapping)
        or isinstance(usage.get("tokens"), int)
    )


def finished(part: object) -> dict[str, Any] | None:
    """Return the usage of a part that ends a stream or a step of it, with its `type`; None for other parts."""
    if not isinstance(part, Mapping) or part.get("type") not in ("finish", *STEP_ENDS):
        return None
    step = _step(part)
    return None if step is None else {"type": part["type"], **step}


def metadata_counts(metadata: object) -> dict[str, Any]:
    """Return the counts that `providerMetadata` has: by names of OpenAI's layout, and `outside`."""
    found: dict[str, Any] = {}
    for provider, section in fields_of(metadata).items():
        usage = pick(section, "usage", "usageMetadata")
        found |= {name: value for name, value in _counts(section, usage).items() if value is not None}
        if provider in _OUTSIDE:
            found["outside"] = True
    return found


def _step(payload: object) -> dict[str, Any] | None:
    usage = pick(payload, "totalUsage", "usage")
    if _SIDES.isdisjoint(fields_of(usage)):
        return None
    metadata, response = pick(payload, *METADATA), pick(payload, "response")
    body: dict[str, Any] = {"usage": _usage(usage, metadata_counts(metadata)), "providerMetadata": metadata}
    body["model"] = body["modelId"] = pick(response, "modelId") or pick(payload, "modelId", "model")
    body["id"] = pick(response, "id")
    if grounding := pick(pick(metadata, "google", "vertex"), "groundingMetadata"):
        body["candidates"] = [{"groundingMetadata": grounding}]
    return body


def _usage(usage: object, found: dict[str, Any]) -> dict[str, Any]:
    """Return the section in OpenAI's layout; counts that are not part of it stay, so that they are not lost."""
    spent, made = pick(usage, "inputTokens", "promptTokens"), pick(usage, "outputTokens", "completionTokens")
    if (embedded := pick(usage, "tokens")) is not None:
        spent, made = embedded, 0
    details, answer = pick(usage, "inputTokenDetails"), pick(usage, "outputTokenDetails")
    if isinstance(spent, Mapping):
        details, answer = spent, made
        spent, made = pick(spent, "total"), pick(made, "total")
    raw = pick(usage, "raw")
    found = _counts(usage, raw) | found
    cached = _number(pick(details, "cacheReadTokens", "cacheRead"), pick(usage, "cachedInputTokens"), found["cached"])
    written = _number(pick(details, "cacheWriteTokens", "cacheWrite"), found["written"])
    reasoning = _number(
        pick(answer, "reasoningTokens", "reasoning"), pick(usage, "reasoningTokens"), found["reasoning"]
    )
    total = pick(usage, "totalTokens")
    if reasoning and found["answer"] == made:
        # Google's output excludes reasoning, and the total of version 4 does too.
        made, total = made + reasoning, None
    known = {"input_tokens": spent, "output_tokens": made, "total_tokens": total}
    if found.get("outside") and details is None and spent is not None:
        known |= {"input_tokens": spent + cached + written, "total_tokens": None}
    elif details is not None:
        known["total_tokens"] = None
    known["input_tokens_details"] = {
        "cached_tokens": cached,
        "cache_write_tokens": written,
        "cache_creation_token_details": {"ephemeral_1h_input_tokens": found["long"]},
    }
    known["output_tokens_details"] = {"reasoning_tokens": reasoning}
    known["server_tool_use"] = found["tools"]
    rest = {name: value for name, value in fields_of(usage).items() if name not in (*_SIDES, *_PARTS)}
    seen = {spent, made, cached, written, reasoning, found["long"], (spent or 0) - cached - written}
    seen |= {(made or 0) - reasoning, (spent or 0) + (made or 0), pick(usage, "totalTokens"), 0}
    return known | rest | {"raw": _unseen(raw, seen)}


def _counts(section: object, usage: object) -> dict[str, Any]:
    """Return the counts of a provider's section of the metadata, and of its own usage section there."""
    lifetimes = pick(usage, "cache_creation")
    return {
        "cached": _first(
            pick(section, "cachedPromptTokens", "cacheReadInputTokens", "promptCacheHitTokens"),
            pick(usage, "cacheReadInputTokens", "cache_read_input_tokens", "cachedContentTokenCount"),
            pick(pick(usage, "promptTokensDetails"), "cachedTokens"),
        ),
        "written": _first(
            pick(section, "cacheCreationInputTokens"),
            pick(usage, "cacheWriteInputTokens", "cache_creation_input_tokens"),
        ),
        "long": _first(pick(lifetimes, "ephemeral_1h_input_tokens")),
        "reasoning": _first(
            pick(section, "reasoningTokens"),
            pick(usage, "thoughtsTokenCount"),
            pick(pick(usage, "completionTokensDetails"), "reasoningTokens"),
        ),
        "answer": pick(usage, "candidatesTokenCount"),
        "tools": pick(usage, "server_tool_use"),
    }


def _first(*values: object) -> int | None:
    """Return the first whole number; NaN is the SDK's value for a count that was not reported."""
    return next(
        (
            int(value)
            for value in values
            if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        ),
        None,
    )


def _number(*values: object) -> int:
    return max((found for value in values if (found := _first(value)) is not None), default=0)


def _unseen(raw: object, seen: set[Any]) -> dict[str, Any]:
    """Return the numbers of the provider's own usage that repeat no count of the SDK's."""
    unseen: dict[str, Any] = {}
    for name, value in fields_of(raw).items():
        if name == "server_tool_use":
            continue
        if inner := _unseen(value, seen):
            unseen[name] = inner
        elif isinstance(value, (int, float)) and value not in seen:
            unseen[name] = value
    return unseen


def added(sections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of sections, at every depth."""
    total: dict[str, Any] = {}
    for section in sections:
        for name, value in section.items():
            if isinstance(value, Mapping):
                total[name] = added([total.get(name) or {}, value])
            elif isinstance(value, (int, float)) and isinstance(total.get(name, 0), (int, float, type(None))):
                total[name] = (total.get(name) or 0) + value
            else:
                total.setdefault(name, value)
    return total
