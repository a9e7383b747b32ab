"""Build the `UsageEvent` of a call from its usage, the context and the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from spendmeter_events.event import MAX_TAGS, UsageEvent
from spendmeter_events.extract.usage import Usage

_UNKNOWN: Final = "unknown"
_REQUIRED: Final = ("org_id", "feature", "provider", "model")


def build_event(
    usage: Usage, *, defaults: Mapping[str, Any], context: Mapping[str, Any], facts: Mapping[str, Any]
) -> UsageEvent:
    """Return the event of one call. Precedence, lowest first: `defaults`, `context`, `facts` of the call, `usage`.

    A context field that violates the event contract is omitted: the call is still counted. Raises
    `pydantic.ValidationError` only if `defaults` are invalid, which `instrument` has checked.
    """
    reported = usage.as_fields()
    tags = _merge_tags(reported.pop("tags", {}), context.get("tags", {}), defaults.get("tags", {}))
    fields = {"provider": _UNKNOWN, "model": _UNKNOWN} | {**defaults, **context, **facts, **reported, "tags": tags}
    try:
        return UsageEvent.now(**fields)
    except ValidationError as error:
        invalid = {str(each["loc"][0]) for each in error.errors() if each["loc"]}
    valid = {name: value for name, value in fields.items() if name not in invalid}
    required = {name: defaults.get(name, _UNKNOWN) for name in _REQUIRED}
    if "tags" in invalid:
        valid["tags"] = usage.as_fields().get("tags", {})
    return UsageEvent.now(**(required | valid))


def _merge_tags(*sources: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of all sources, up to `MAX_TAGS`. The first source of a tag wins."""
    merged: dict[str, str] = {}
    for source in sources:
        for name, value in source.items():
            if len(merged) < MAX_TAGS:
                merged.setdefault(name, value)
    return merged
