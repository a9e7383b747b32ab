"""`Usage`: the usage that one response reports, in the disjoint buckets of `UsageEvent`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from spendmeter_events.usage_units import TOKENS

State = Literal["complete", "missing", "aborted", "inconsistent", "incomplete", "unread", "ambiguous", "not_inference"]
"""Completeness of the counts:

* `complete`: the response reported everything;
* `missing`: it reported no usage, or only a part;
* `aborted`: the stream ended early; the counts are those received until then;
* `inconsistent`: counts contradict each other; those that are certain are kept;
* `incomplete`: another model was used too; its tokens cannot be part of the same event;
* `unread`: the usage section has counts without a bucket or under unknown keys; see `Usage.unread`;
* `ambiguous`: a count can be read in two ways; the cheaper one was taken;
* `not_inference`: a span of an agent, tool or chain, which repeats the usage of its model calls and has no counts here.
"""

USAGE_TAG: Final = "usage"
"""The event tag for every state except `complete`. An event with this tag is priced `partial` at best."""
UNREAD_TAG: Final = "usage_unread"
"""The event tag with the names of counts that were not read, separated by commas."""
COST_SOURCE_TAG: Final = "cost_source"
"""The event tag with the name of the field that `provider_cost_usd` was read from."""
_MAX_TAG: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Disjoint counts of one call: whole tokens, characters, images and tool calls; audio in seconds.

    No token is in two buckets. Empty strings and None mean "not reported".
    """

    provider: str = ""
    model: str = ""
    """The model that served the call, which may differ from the requested one."""
    request_id: str = ""
    service_tier: str = ""
    """Tier that served the call, in the price book's spelling (`standard`, `batch`, `flex`, `priority`, `fast`, …)."""
    region: str = ""
    key_source: str = ""
    """`byok` if the response reports that the upstream call used the caller's own key."""
    status: str = ""
    """`error` or `cancelled` if the response reports it; empty otherwise."""
    error_type: str = ""
    provider_cost_usd: float | None = None

    input_tokens: int = 0
    """Uncached input text tokens."""
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    """Written to the cache with the shorter lifetime, or without a breakdown by lifetime."""
    cache_write_1h_tokens: int = 0
    """Written to the cache with the longer lifetime."""
    output_tokens: int = 0
    """Output text tokens, including reasoning."""
    input_audio_tokens: int = 0
    cache_read_audio_tokens: int = 0
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    cache_read_image_tokens: int = 0
    output_image_tokens: int = 0
    characters: int = 0
    audio_seconds: float = 0.0
    images: int = 0
    video_seconds: int = 0
    """Seconds of generated video, started ones as whole ones."""
    tool_calls: int = 0
    """Calls of tools that the provider runs and bills per call; never the caller's own functions."""
    reasoning_tokens: int = 0
    """Informational: part of `output_tokens`."""

    state: State = "complete"
    unread: tuple[str, ...] = ()
    """Names of counts in the usage section without a bucket, such as `prompt_tokens_details.image_tokens`."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Other properties that determine the price: `image_size`, `image_quality`, `tool`."""

    @property
    def total_tokens(self) -> int:
        """Number of all tokens, each counted once."""
        return sum(getattr(self, name) for name in TOKEN_BUCKETS)

    def as_fields(self) -> dict[str, Any]:
        """Return keyword arguments for `UsageEvent.now(**fields)`: the fields that were reported.

        The caller adds `org_id` and `feature`, and `model` if the response does not name it.
        """
        values = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        state, tags = values.pop("state"), dict(values.pop("tags"))
        if state != "complete":
            tags[USAGE_TAG] = state
        if unread := values.pop("unread"):
            tags[UNREAD_TAG] = _joined(unread)
        reported = {name: value for name, value in values.items() if value not in ("", None, 0)}
        if self.provider_cost_usd is not None:
            reported["provider_cost_usd"] = self.provider_cost_usd
        return {**reported, "tags": tags} if tags else reported


def _joined(names: tuple[str, ...]) -> str:
    """Return the names that fit into a tag, never a truncated one."""
    joined = ",".join(names)
    return joined if len(joined) <= _MAX_TAG else joined[: _MAX_TAG - 1].rpartition(",")[0] + ",…"


TOKEN_BUCKETS: Final = TOKENS
"""The buckets whose sum is the provider's total. `output_tokens` includes `reasoning_tokens`."""
