"""Run every statement in every case, and count the results."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from spendmeter_clickhouse import Session, Store, StoreError
from tests.gate.cases import CASES, Case
from tests.gate.macros import MacroError, expand
from tests.gate.shapes import Answer, bucket_aliases, faults
from tests.gate.statements import ALERTS, Statement, boards, name_of, rules, statements

_AT_ONCE: Final = 2


@dataclass(slots=True)
class Report:
    """The results: (board, place, case) → faults, empty without any."""

    results: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)

    @property
    def failures(self) -> list[str]:
        """Return the faults with their places, as text."""
        return [
            f"{board} / {place} ({case}): {fault}"
            for (board, place, case), found in sorted(self.results.items())
            for fault in found
        ]

    def table(self) -> str:
        """Return one line per board, as in docs/boards.md."""
        panels = {name_of(board): sum(panel["type"] != "row" for panel in board["panels"]) for board in boards()}
        panels[ALERTS] = len(rules())
        counts = [(name, panels[name], *self._counts(name)) for name in panels]
        sums = [sum(column) for column in list(zip(*counts, strict=True))[1:]]
        lines = ["| board | panels | statements | runs | failures |", "|---|---|---|---|---|"]
        lines += [_line(row) for row in counts]
        return "\n".join([*lines, _line((f"**{len(panels) - 1} boards and the alert rules**", *sums))])

    def _counts(self, board: str) -> tuple[int, int, int]:
        mine = [(place, found) for (name, place, _), found in self.results.items() if name == board]
        return len({place for place, _ in mine}), len(mine), sum(bool(found) for _, found in mine)


def _line(row: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, row))} |"


def run(store: Store, cases: Sequence[Case] = CASES) -> Report:
    """Run every statement in each of `cases`."""
    report = Report()
    with store.session("gate", size=_AT_ONCE) as session:
        for case in cases:
            report.results |= asyncio.run(checked(session, statements(), case))
    return report


async def checked(session: Session, wanted: Sequence[Statement], case: Case) -> dict[tuple[str, str, str], list[str]]:
    """Return the faults of `wanted` in one case. Equal texts, which boards share, run once."""
    texts: dict[str, list[Statement]] = defaultdict(list)
    results: dict[tuple[str, str, str], list[str]] = {}
    for statement in wanted:
        aliases = [f"{name} names a bucket of itself" for name in bucket_aliases(statement.sql)]
        results[statement.board, f"{statement.place} {statement.kind}", case.name] = aliases
        try:
            texts[expand(statement.sql, case.request(statement))].append(statement)
        except MacroError as error:
            aliases.append(str(error))
    turn = asyncio.Semaphore(_AT_ONCE)

    async def check(sql: str, places: Sequence[Statement]) -> None:
        async with turn:
            answer = await _asked(session, sql)
        for statement in places:
            found = [answer] if isinstance(answer, str) else faults(statement, answer, full=case.full)
            results[statement.board, f"{statement.place} {statement.kind}", case.name] += found

    await asyncio.gather(*(check(sql, places) for sql, places in texts.items()))
    return results


async def _asked(session: Session, sql: str) -> Answer | str:
    """Return the answer, or the reason for its absence."""
    try:
        result = await session.query(sql)
    except StoreError as error:
        return str(error)
    return Answer(result.column_names, [found.name for found in result.column_types], result.result_rows)
