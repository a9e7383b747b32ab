"""`usage_context`: who and what the calls made within are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final, Literal

_CURRENT: Final[ContextVar[Mapping[str, Any]]] = ContextVar("spendmeter_usage_context", default=MappingProxyType({}))


@contextmanager
def usage_context(
    *,
    org_id: str | None = None,
    user_id: str | None = None,
    feature: str | None = None,
    action: str | None = None,
    agent_id: str | None = None,
    task_id: str | None = None,
    configuration_id: str | None = None,
    conversation_id: str | None = None,
    service: str | None = None,
    key_source: Literal["platform", "byok"] | None = None,
    service_tier: str | None = None,
    region: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Fields of the events of all instrumented calls that start inside, in this thread or task and its children.

    An inner context adds to the outer one and wins where both speak; tags are joined. What a response tells
    (model, tier and region as served) wins over both.
    """
    given = {name: value for name, value in locals().items() if value is not None and name != "tags"}
    before = _CURRENT.get()
    _CURRENT.set({**before, **given, "tags": {**before.get("tags", {}), **(tags or {})}})
    try:
        yield
    finally:
        # Not `reset`: a framework may leave a context in another one than it entered it, where a token is void.
        _CURRENT.set(before)


def current_fields() -> Mapping[str, Any]:
    """The fields of the context that this thread or task is in."""
    return _CURRENT.get()
