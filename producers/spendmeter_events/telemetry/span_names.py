"""Names of the attributes that identify the caller and the purpose of a call. docs/sending.md lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OWN: Final = "spendmeter."
"""Prefix of our attributes, of a span or its resource."""
METADATA: Final = (
    "",
    "ai.telemetry.metadata.",
    "traceloop.association.properties.",
    "langsmith.metadata.",
    "langfuse.trace.metadata.",
    "langfuse.observation.metadata.",
    "metadata.",
)
"""Prefixes that SDKs add to the metadata of a caller."""
TAG_PREFIXES: Final = tuple(f"{prefix}{OWN}tags." for prefix in METADATA)

_OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "org_id": (),
    "user_id": (
        "user.id",
        "enduser.id",
        "langfuse.user.id",
        "llm.user",
        "gen_ai.user.id",
        "ai.telemetry.metadata.userId",
        "traceloop.association.properties.user_id",
    ),
    "feature": ("ai.telemetry.functionId", "traceloop.workflow.name", "gen_ai.agent.name", "service.name"),
    "agent_id": ("gen_ai.agent.id", "gen_ai.agent.name"),
    "conversation_id": (
        "gen_ai.conversation.id",
        "session.id",
        "langfuse.session.id",
        "ai.telemetry.metadata.sessionId",
        "traceloop.association.properties.session_id",
    ),
    "action": (),
    "task_id": (),
    "configuration_id": (),
    "key_source": (),
    "region": (),
}
"""Event field → attributes of other conventions, the most specific first. None of them names an org."""

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    name: (*(f"{prefix}{OWN}{name}" for prefix in METADATA), *others) for name, others in _OTHERS.items()
}
"""Event field → attributes that have it, in the order of preference."""
