"""Call templates: the constant JSON of all calls of one kind by one school to one model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from spendmeter_events.traffic._draw import SIZE, factors, slots, spread
from spendmeter_events.traffic._failures import CallFailure, failures
from spendmeter_events.traffic._kinds import KINDS, STACKS, Kind, Measure
from spendmeter_events.traffic._models import MODELS, Model
from spendmeter_events.traffic._people import Person
from spendmeter_events.traffic._schools import School

SHARE: Final = 1 << 16
"""Shares are integers out of this, compared with 16 random bits."""
_AMOUNT_SPREAD: Final = 0.55
_ANSWER_SPREAD: Final = 0.5
_NOISE: Final = 0.28
_PACE: Final = {"tokens": 0.0, "characters": 1.1, "audio": 0.12, "images": 3000.0}
_CANCELLED: Final = 0.006
_REQUEST_IDS: Final = {
    "openai": "chatcmpl-",
    "anthropic": "msg_01",
    "google": "gen-",
    "mistral": "cmpl-",
    "deepseek": "ds-",
    "elevenlabs": "el_",
}


@dataclass(slots=True, kw_only=True)
class CallTemplate:
    """JSON fragments, concatenated as: who, `what`, conversation, request, `how`, usage, outcome, tags."""

    model: Model
    measure: Measure
    what: str
    request: str
    how: str
    amounts: tuple[int, ...]
    answers: tuple[int, ...]
    noise: tuple[float, ...]
    instructions: int
    first: int
    token: float
    """Milliseconds per output token, character, millisecond of audio, or image."""
    reasoning: float
    streamed: bool
    block: int
    caches: bool
    explicit: bool
    write: str
    """The cache write bucket. Grading takes longer than five minutes, so its instructions are cached for an hour."""
    failures: tuple[CallFailure, ...]
    fails: int
    """Out of `SHARE`, as is `completes`."""
    completes: int
    """From this value on, the reader cancelled a streamed call."""
    tiers: tuple[str, ...]
    """32 equally likely tiers; empty for the standard tier."""
    timed: bool
    """Batches have no latency: their results are fetched hours later."""
    region: str
    image_tags: str
    """Tags that determine the price of an image."""
    searches: bool
    """Whether one in eight calls searches the web."""


@dataclass(slots=True, kw_only=True)
class Caller:
    """JSON fragments that identify the caller and its client."""

    who: str
    client: str = ""
    tags: str = ""

    def tags_with(self, more: str) -> str:
        """Return the caller's tags and `more`."""
        return f',"tags":{{{self.client},{more}}}' if self.client else f',"tags":{{{more}}}'


def template(school: School, name: str, model: Model) -> CallTemplate:
    """Return the template of one kind of call (a key of `KINDS`)."""
    kind = KINDS[name]
    return CallTemplate(
        model=model,
        measure=kind.measure,
        what=_what(school, kind),
        request=_REQUEST_IDS.get(model.provider, ""),
        how=_how(school, kind, model),
        amounts=spread(kind.amount, _AMOUNT_SPREAD),
        answers=spread(kind.answer, _ANSWER_SPREAD) if kind.answer else (0,) * SIZE,
        noise=factors(_NOISE),
        instructions=kind.instructions,
        first=model.first,
        token=model.token or _PACE[kind.measure],
        reasoning=model.reasoning,
        streamed=kind.streamed,
        block=model.block,
        caches=model.caching != "none" and kind.instructions > 0,
        explicit=model.caching == "explicit",
        write="cache_write_1h_tokens" if kind.purpose == "grade" else "cache_write_5m_tokens",
        failures=failures(model.provider, generates_text=bool(kind.answer)),
        fails=round(model.fails * SHARE),
        completes=round((1 - _CANCELLED) * SHARE) if kind.streamed else SHARE,
        tiers=_tiers(kind, model),
        timed=not _batched(kind, model),
        region=_field("region", school.region) if model.provider == "azure-speech" else "",
        image_tags=f'"image_size":"1024x1024","image_quality":"{model.quality}"' if model.quality else "",
        searches=kind.searches and model.provider in {"openai", "anthropic", "google"},
    )


def templates(school: School) -> dict[str, tuple[CallTemplate, ...]]:
    """Return kind → 64 equally likely templates, one per model."""
    stack = STACKS[school.stack]
    return {
        name: slots([(template(school, name, MODELS[model]), share) for model, share in stack[kind.purpose]])
        for name, kind in KINDS.items()
    }


def caller(org_id: str, person: Person | None = None) -> Caller:
    """Return the fragments of a person's calls, or of system calls if there is no person."""
    org = f'"org_id":{json.dumps(org_id)},'
    if person is None:
        return Caller(who=org)
    client = f'"client":{json.dumps(person.client)}'
    who = f'{org}"user_id":{json.dumps(person.user_id)},'
    return Caller(who=who, client=client, tags=f',"tags":{{{client}}}')


def _field(name: str, value: str) -> str:
    return f',"{name}":{json.dumps(value)}' if value else ""


def _what(school: School, kind: Kind) -> str:
    action = "" if kind.action == "user_interaction" else kind.action
    configuration = f"{kind.agent}-{school.stack}" if kind.agent else ""
    return (
        f'"feature":{json.dumps(kind.feature)}'
        + _field("action", action)
        + _field("agent_id", kind.agent)
        + _field("task_id", kind.task)
        + _field("configuration_id", configuration)
    )


def _how(school: School, kind: Kind, model: Model) -> str:
    return (
        _field("service", "" if kind.service == "chat" else kind.service)
        + _field("provider", model.provider)
        + _field("model", model.name)
        + _field("key_source", "byok" if model.provider in school.byok else "")
    )


def _batched(kind: Kind, model: Model) -> bool:
    """Return whether the calls use the provider's discounted batch tier."""
    return kind.purpose == "insight" and "batch" in model.tiers


def _tiers(kind: Kind, model: Model) -> tuple[str, ...]:
    """Return 32 equally likely tiers: `batch` only, or mostly the standard tier."""
    if _batched(kind, model):
        return (_field("service_tier", "batch"),) * 32
    others = [(_field("service_tier", tier), 0.03) for tier in model.tiers if tier != "batch"]
    return slots([("", 1.0), *others], size=32)
