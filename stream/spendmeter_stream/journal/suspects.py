"""Suspect blocks: a rollup may lack them, or count them alone. They are settled later.

Raw events change no more when a doubt is raised (`confirm.py`, `orphans.py`, `reprice/run.py`). A rollup keeps no
coordinates, so it can only be compared with raw events; where it differs, its month is rebuilt from them (`settle.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

from spendmeter_clickhouse import Session
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.intents import OffsetRange

_COLUMNS: Final = ["suspect_id", "happened", "topic_id", "topic_partition", "start_offset", "end_offset", "days"]
_OPEN: Final = """
    SELECT suspect_id, groupUniqArrayArray(days)
    FROM ingest_open_suspects
    GROUP BY suspect_id
    HAVING sum(balance) > 0"""


@dataclass(frozen=True, slots=True)
class SuspectBlock:
    """A block of which some rollup may not say what raw events say, and the UTC days of its events."""

    suspect_id: UUID
    days: frozenset[date]


async def flag_suspect(
    session: Session, coordinates: Coordinates, offsets: OffsetRange, *, days: Iterable[date]
) -> None:
    """Write down that these UTC days of the block at `coordinates` must be compared."""
    where = (coordinates.topic_id, coordinates.partition, offsets.start, offsets.end)
    await session.insert("ingest_suspect_blocks", [(uuid4(), "raised", *where, sorted(days))], _COLUMNS)


async def open_suspects(session: Session) -> list[SuspectBlock]:
    """What nobody has settled yet."""
    return [SuspectBlock(suspect_id, frozenset(days)) for suspect_id, days in (await session.query(_OPEN)).result_rows]


async def close_suspects(session: Session, doubts: list[SuspectBlock]) -> None:
    """Write down that the rollups of their days agree with raw events."""
    rows: list[tuple[Any, ...]] = [(doubt.suspect_id, "settled", "", 0, 0, 0, []) for doubt in doubts]
    await session.insert("ingest_suspect_blocks", rows, _COLUMNS)
