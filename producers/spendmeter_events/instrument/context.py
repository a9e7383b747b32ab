"""`usage_context`: attribute calls to a user, feature, conversation, …"""

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
    """Set event fields for all instrumented calls that start inside, in this thread or task and its children.

    An inner context extends the outer one and overrides its fields; tags are merged. Fields that a response reports
    (the model, tier and region that served the call) override both.
    """
    given = {name: value for name, value in locals().items() if value is not None and name != "tags"}
    outer = _CURRENT.get()
    _CURRENT.set({**outer, **given, "tags": {**outer.get("tags", {}), **(tags or {})}})
    try:
        yield
    finally:
        # Not `reset`: a framework may exit in a different context than it entered, where the token is invalid.
        _CURRENT.set(outer)


def current_fields() -> Mapping[str, Any]:
    """Return the fields of the current context."""
    return _CURRENT.get()
