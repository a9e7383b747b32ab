"""Suspect blocks: rows may be in raw events but not in every rollup, or the reverse. They are reconciled later.

A block is flagged when its raw events are final (`confirm.py`, `orphans.py`, `reprice/run.py`). Rollups have no
coordinates, so they are compared with raw events; a month that differs is rebuilt from them (`reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

from spendmeter_clickhouse import Session

_COLUMNS: Final = ["suspect_id", "state", "block", "days"]
_OPEN: Final = """
    SELECT suspect_id, groupUniqArrayArray(days)
    FROM ingest_open_suspects
    GROUP BY suspect_id
    HAVING sum(balance) > 0"""


@dataclass(frozen=True, slots=True)
class SuspectBlock:
    """A block whose rollups may differ from raw events, and the UTC days of its events."""

    suspect_id: UUID
    days: frozenset[date]


async def flag_suspect(session: Session, block: str, *, days: Iterable[date]) -> None:
    """Flag a block as suspect: its UTC `days` must be reconciled.

    :param block: its deduplication token, or what else changed raw events on these days.
    """
    await session.insert("ingest_suspect_blocks", [(uuid4(), "flagged", block, sorted(days))], _COLUMNS)


async def open_suspects(session: Session) -> list[SuspectBlock]:
    """Return all blocks that are not reconciled yet."""
    return [SuspectBlock(suspect_id, frozenset(days)) for suspect_id, days in (await session.query(_OPEN)).result_rows]


async def close_suspects(session: Session, suspects: list[SuspectBlock]) -> None:
    """Record that the rollups of the suspect days equal raw events."""
    rows: list[tuple[Any, ...]] = [(suspect.suspect_id, "reconciled", "", []) for suspect in suspects]
    await session.insert("ingest_suspect_blocks", rows, _COLUMNS)
