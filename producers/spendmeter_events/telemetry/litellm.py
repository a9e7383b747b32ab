"""Read LiteLLM's log payload (`StandardLoggingPayload`), which its proxy and SDK send to an HTTP endpoint.

Source: BerriAI/litellm, `litellm/types/utils.py` and `litellm/integrations/generic_api/generic_api_callback.py`. Its
cost is used as the reported cost only. `messages`, `response` and error texts are not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spendmeter_events.event import MAX_TAGS
from spendmeter_events.extract import USAGE_TAG, from_openai
from spendmeter_events.extract._spans.providers import provider_of
from spendmeter_events.normalize.cells import CellError, decimal
from spendmeter_events.normalize.record import InvalidRecord
from spendmeter_events.telemetry.errors import NotCounted

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST: Final = 128
_SERVICES: Final = {
    "embedding": "embedding",
    "rerank": "rerank",
    "image_generation": "image",
    "image_edit": "image",
    "speech": "speech",
    "transcription": "transcription",
}
"""Call type, without the `a` of asynchronous ones → service."""
_OWN_FIELDS: Final = ("feature", "action", "agent_id", "task_id", "configuration_id", "conversation_id", "key_source")
"""Fields that the metadata of a request may set, as `spendmeter_FIELD`, or a request tag, as `FIELD:value`."""


def fields_of_payload(payload: object, *, bound: bool) -> dict[str, Any]:
    """Return the event fields of one logged call, as JSON values.

    :param bound: the sender may write one org only, which the payload does not name.
    :raises InvalidRecord: the payload is not a StandardLoggingPayload.
    :raises NotCounted: LiteLLM answered from its own cache, or the entry is null.
    """
    if payload is None:
        raise NotCounted("empty entry")
    if not isinstance(payload, Mapping):
        raise InvalidRecord("invalid_field", "the entry is not a JSON object")
    if "startTime" not in payload or "custom_llm_provider" not in payload:
        raise InvalidRecord("missing_field", _NOT_A_PAYLOAD, field="startTime")
    if payload.get("cache_hit") in (True, "True", "true"):
        raise NotCounted("answered from LiteLLM's cache")
    metadata = _mapping(payload.get("metadata"))
    provider = provider_of(_text(payload.get("custom_llm_provider"))) or "unknown"
    usage = _usage(payload, metadata, provider)
    tags = usage.pop("tags", {})
    if _text(payload.get("status")) == "failure":
        # Failed calls are logged without usage; a provider bills none that it answered.
        tags.pop(USAGE_TAG, None)
        error = _mapping(payload.get("error_information"))
        usage |= {"status": "error", "error_type": _first(error, "error_class", "error_code")[:64] or "error"}
    found = {
        **usage,
        # Retries of one call share its id; the time distinguishes them.
        "event_id": "litellm:" + json.dumps([_text(payload.get("id")), _text(payload.get("startTime"))]),
        "occurred_at": payload["startTime"],
        "provider": provider,
        "model": _model(payload),
        "request_id": _text(payload.get("id")),
        "streamed": payload.get("stream") is True,
        "service": _service(payload),
        **_durations(payload),
        **_who(payload, metadata, bound=bound),
    }
    return {**found, "tags": dict(list({**tags, **_tags(payload, metadata)}.items())[:MAX_TAGS])}


_NOT_A_PAYLOAD: Final = (
    "startTime and custom_llm_provider: not a StandardLoggingPayload; unset generic_api_use_v1 if it is set"
)


def _usage(payload: Mapping[str, Any], metadata: Mapping[str, Any], provider: str) -> dict[str, Any]:
    """Return counts and reported cost. Cached tokens are only in the usage object, not in `prompt_tokens`."""
    section, certain = _usage_object(payload, metadata), True
    if not section:
        section = {name: payload.get(name) for name in ("prompt_tokens", "completion_tokens")}
        certain = not payload.get("prompt_tokens")
    try:
        cost = decimal(payload.get("response_cost") or 0)
    except CellError:
        cost = 0.0
    # Without rates for a model, LiteLLM logs a cost of 0.
    body = {"usage": section, **({"response_cost": cost} if cost > 0 else {})}
    found = from_openai(body, provider=provider).as_fields()
    if not certain:
        # All of the input is counted as uncached.
        found["tags"] = {USAGE_TAG: "ambiguous", **found.get("tags", {})}
    return found


def _usage_object(payload: Mapping[str, Any], metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    hidden = _mapping(payload.get("hidden_params"))
    response = _mapping(payload.get("response"))
    for owner, name in ((metadata, "usage_object"), (hidden, "usage_object"), (response, "usage")):
        if found := _mapping(owner.get(name)):
            return found
    return {}


def _model(payload: Mapping[str, Any]) -> str:
    name = _text(payload.get("model")).removeprefix(f"{_text(payload.get('custom_llm_provider'))}/")
    return name or _text(payload.get("model_group")) or "unknown"


def _who(payload: Mapping[str, Any], metadata: Mapping[str, Any], *, bound: bool) -> dict[str, str]:
    """Return org, user, feature and the like. Only the proxy sets `user_api_key_*`; callers may set the rest."""
    found = {
        "user_id": _text(payload.get("end_user"))
        or _first(metadata, "user_api_key_end_user_id", "user_api_key_user_id"),
        "conversation_id": _text(payload.get("trace_id")),
        "feature": _first(metadata, "user_api_key_alias") or "litellm",
    }
    if not bound:
        found["org_id"] = _first(metadata, "user_api_key_org_id", "user_api_key_team_id")
    found |= dict(_declared(payload, metadata))
    return {name: value for name, value in found.items() if value}


def _declared(payload: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in _request_tags(payload):
        if name in _OWN_FIELDS and value:
            yield name, value
    for section in ("requester_metadata", "spend_logs_metadata"):
        own = _mapping(metadata.get(section))
        for name in _OWN_FIELDS:
            if value := _text(own.get(f"spendmeter_{name}")):
                yield name, value


def _tags(payload: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "litellm_key": _first(metadata, "user_api_key_alias"),
        "litellm_team": _first(metadata, "user_api_key_team_alias", "user_api_key_team_id"),
        "litellm_model_group": _text(payload.get("model_group")),
    }
    for name, value in _request_tags(payload):
        if name not in _OWN_FIELDS:
            found[name[:64]] = value or "true"
    return {name: value for name, value in found.items() if name and value}


def _request_tags(payload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    tags = payload.get("request_tags")
    for tag in tags if isinstance(tags, list) else ():
        # LiteLLM adds one of its own, with the client's version.
        if not (text := _text(tag)).startswith("User-Agent:"):
            name, _, value = text.partition(":")
            yield name.strip(), value.strip()


def _service(payload: Mapping[str, Any]) -> str:
    call = _text(payload.get("call_type"))
    return _SERVICES.get(call) or _SERVICES.get(call.removeprefix("a"), "chat")


def _durations(payload: Mapping[str, Any]) -> dict[str, int]:
    start, end = (_seconds(payload.get(name)) for name in ("startTime", "endTime"))
    first = _seconds(payload.get("completionStartTime"))
    found = {}
    if start is not None and end is not None and 0 <= end - start < 2**21:
        found["latency_ms"] = int((end - start) * 1000)
        # LiteLLM sets it to the end of calls that were not streamed.
        if first is not None and start <= first < end:
            found["ttft_ms"] = int((first - start) * 1000)
    return found


def _seconds(value: object) -> float | None:
    try:
        return decimal(value)
    except CellError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _first(owner: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names if (text := _text(owner.get(name)))), "")


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return _CONTROL.sub(" ", str(value)).strip()[:_LONGEST]
