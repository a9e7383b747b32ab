"""The ingest service without a guarantee, or interrupted at a step: what the tests of each guarantee run.

A guarantee is removed by overriding its step. `without("fence", "token")` lacks both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import pyarrow as pa

from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.ingest.protocol import Chunk, ChunkProtocol, Outcome
from spendmeter_stream.ingest.service import Ingest
from spendmeter_stream.ingest.topic_epochs import TopicEpochs
from spendmeter_stream.kafka.topic_epoch import TopicEpoch
from spendmeter_stream.recovery.completion import SEND, Completion

T = TypeVar("T")


class _NoDedup(ChunkProtocol):
    async def dedup(self, chunk: Chunk, events: Events) -> Events:
        return events


class _NoIntent(ChunkProtocol):
    async def write_intent(self, chunk: Chunk, block: pa.Table, decided_at: datetime) -> None:
        pass


class _NoFence(ChunkProtocol):
    async def fence_chunk(self, chunk: Chunk) -> None:
        pass


class _NoSecondFence(ChunkProtocol):
    async def refence(self, chunk: Chunk) -> None:
        pass


class _NoToken(ChunkProtocol):
    def insert_settings(self, chunk: Chunk) -> dict[str, Any]:
        return {**super().insert_settings(chunk), "insert_deduplication_token": ""}


class _NoViewDedup(ChunkProtocol):
    def insert_settings(self, chunk: Chunk) -> dict[str, Any]:
        return {**super().insert_settings(chunk), "deduplicate_blocks_in_dependent_materialized_views": 0}


class _NoConfirm(ChunkProtocol):
    async def confirm(self, chunk: Chunk, block: pa.Table, todo: Completion) -> None:
        pass


class _NoDecision(ChunkProtocol):
    """A recovery validates with its own clock."""

    def decided_at(self, chunk: Chunk) -> datetime:
        return datetime.now(UTC)


class _NoTokenAge(ChunkProtocol):
    """A recovery trusts every token."""

    async def completion(self, chunk: Chunk, built: Any) -> Completion:
        return SEND


class _NoExpired(ChunkProtocol):
    """A recovery does not look for rows whose records have expired."""

    async def run(self, chunk: Chunk) -> Outcome:
        if chunk.recovers is not None:
            chunk = replace(chunk, expired=False, recovers=replace(chunk.recovers, days=()))
        return await super().run(chunk)

    async def flag_suspect(self, chunk: Chunk) -> None:
        pass


class _NoOrphans(TopicEpochs):
    async def suspect_orphans(self) -> None:
        pass


class _NoEpoch(TopicEpoch):
    async def read(self) -> UUID | None:
        return None


class _NoGroup(Ingest):
    async def ensure_group(self) -> None:
        pass


_STEPS: Final[dict[str, type[ChunkProtocol]]] = {
    "dedup": _NoDedup,
    "intent": _NoIntent,
    "fence": _NoFence,
    "refence": _NoSecondFence,
    "token": _NoToken,
    "view_dedup": _NoViewDedup,
    "confirm": _NoConfirm,
    "decision": _NoDecision,
    "token_age": _NoTokenAge,
    "expired": _NoExpired,
}


def protocol_without(*steps: str, reached: Callable[[str], None] | None = None) -> type[ChunkProtocol]:
    """Return the protocol without `steps`.

    :param reached: called with `before:STEP` and `after:STEP`.
    """
    lacking = type("_Lacking", (*(_STEPS[step] for step in steps), ChunkProtocol), {})
    return lacking if reached is None else _observed(lacking, reached)


def ingest_without(*guarantees: str, reached: Callable[[str], None] | None = None) -> type[Ingest]:
    """Return the ingest service without `guarantees`; `reached` is as for `protocol_without`."""
    parts: dict[str, Any] = {"protocol": protocol_without(*_STEPS.keys() & {*guarantees}, reached=reached)}
    if "orphans" in guarantees:
        parts["topic_epochs"] = _NoOrphans
    if "epoch" in guarantees:
        parts["topic_epoch"] = _NoEpoch
    _refuse_unknown(guarantees)
    return type("_Lacking", (_NoGroup if "group" in guarantees else Ingest,), parts)


def _refuse_unknown(guarantees: Collection[str]) -> None:
    unknown = {*guarantees} - _STEPS.keys() - {"orphans", "epoch", "group"}
    assert not unknown, unknown


def _observed(base: type[ChunkProtocol], reached: Callable[[str], None]) -> type[ChunkProtocol]:
    class Observed(base):  # type: ignore[misc, valid-type]
        async def step(self, name: str, attempt: Callable[[], Awaitable[T]]) -> T:
            reached(f"before:{name}")
            result: T = await super().step(name, attempt)
            reached(f"after:{name}")
            return result

    return Observed
