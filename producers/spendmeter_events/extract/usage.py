"""`Usage`: what one response says it used, in the disjoint buckets of `UsageEvent`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

State = Literal["complete", "missing", "aborted", "inconsistent", "incomplete"]
"""How far the counts can be trusted:

* `complete`: the response told everything;
* `missing`: it did not say what it used, or not all of it;
* `aborted`: the stream ended early, the counts are those seen until then;
* `inconsistent`: its counts contradict each other, those in doubt are left out;
* `incomplete`: it also used another model, whose tokens cannot stand in the same event.
"""

USAGE_TAG: Final = "usage"
"""The event tag that carries any state but `complete`. An event with this tag is priced `partial` at best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Disjoint counts of one call: whole tokens, characters, images and tool calls; audio in seconds.

    No token is in two buckets. Empty strings and None mean that the response did not tell.
    """

    provider: str = ""
    model: str = ""
    """As the provider names what served the call, which may differ from what was asked."""
    request_id: str = ""
    service_tier: str = ""
    """As served, in the spelling of the price book (`standard`, `batch`, `flex`, `priority`, `fast`, …)."""
    region: str = ""
    provider_cost_usd: float | None = None

    input_tokens: int = 0
    """Uncached input text tokens."""
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    """Written to the shorter-lived cache; also what has no breakdown by lifetime."""
    cache_write_1h_tokens: int = 0
    """Written to the longer-lived cache."""
    output_tokens: int = 0
    """Output text tokens, reasoning included."""
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    characters: int = 0
    audio_seconds: float = 0.0
    images: int = 0
    tool_calls: int = 0
    """Calls of tools that the provider runs and bills by the call; never the caller's own functions."""
    reasoning_tokens: int = 0
    """Informational: part of `output_tokens`."""

    state: State = "complete"
    tags: Mapping[str, str] = field(default_factory=dict)
    """What else decides the price: `image_size`, `image_quality`, `tool`."""

    @property
    def total_tokens(self) -> int:
        """All tokens, each once."""
        return sum(getattr(self, name) for name in TOKEN_BUCKETS)

    def as_fields(self) -> dict[str, Any]:
        """Keyword arguments for `UsageEvent.now(**fields)`; what was not told is left out.

        The caller adds `org_id` and `feature`, and `model` where the response does not name it.
        """
        values = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        state, tags = values.pop("state"), dict(values.pop("tags"))
        if state != "complete":
            tags[USAGE_TAG] = state
        told = {name: value for name, value in values.items() if value not in ("", None, 0)}
        if self.provider_cost_usd is not None:
            told["provider_cost_usd"] = self.provider_cost_usd
        return {**told, "tags": tags} if tags else told


TOKEN_BUCKETS: Final = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
)
"""The buckets whose sum is the provider's own total. `reasoning_tokens` is inside `output_tokens`."""
