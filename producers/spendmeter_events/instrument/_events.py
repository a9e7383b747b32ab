"""From what a call told to its `UsageEvent`, whatever the application has put beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from spendmeter_events.event import MAX_TAGS, UsageEvent
from spendmeter_events.extract.usage import Usage

_UNKNOWN: Final = "unknown"
_NEEDED: Final = ("org_id", "feature", "provider", "model")


def build_event(
    usage: Usage, *, defaults: Mapping[str, Any], context: Mapping[str, Any], facts: Mapping[str, Any]
) -> UsageEvent:
    """The event of one call. Later sources win: `defaults`, `context`, `facts` of the call, what `usage` tells.

    A field of the context that the event contract refuses is left out: the call still counts. Raises
    `pydantic.ValidationError` only where `defaults` themselves are refused, which `instrument` has tried.
    """
    told = usage.as_fields()
    tags = _joined(told.pop("tags", {}), context.get("tags", {}), defaults.get("tags", {}))
    fields = {"provider": _UNKNOWN, "model": _UNKNOWN} | {**defaults, **context, **facts, **told, "tags": tags}
    try:
        return UsageEvent.now(**fields)
    except ValidationError as error:
        refused = {str(each["loc"][0]) for each in error.errors() if each["loc"]}
    kept = {name: value for name, value in fields.items() if name not in refused}
    needed = {name: defaults.get(name, _UNKNOWN) for name in _NEEDED}
    if "tags" in refused:
        kept["tags"] = usage.as_fields().get("tags", {})
    return UsageEvent.now(**(needed | kept))


def _joined(*sources: Mapping[str, str]) -> dict[str, str]:
    """All tags, as many as an event takes; the first source that names one wins."""
    joined: dict[str, str] = {}
    for source in sources:
        for name, value in source.items():
            if len(joined) < MAX_TAGS:
                joined.setdefault(name, value)
    return joined
