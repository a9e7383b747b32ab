"""Usage within a scope: plan a query and read its rows. The interface of this package for views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.statement import Query
from spendmeter_rollups.query.sums import Sums, sums


@dataclass(frozen=True, slots=True)
class UsageReader:
    """The usage of one scope, read with one credential's limits."""

    reader: Reader
    scope: Scope

    def within(self, scope: Scope) -> UsageReader:
        """Return the usage of another scope."""
        return replace(self, scope=scope)

    def narrowed(self, **filters: tuple[str, ...]) -> UsageReader:
        """Return the part of this usage that also matches `filters` (column → values)."""
        return self.within(self.scope.narrowed(**filters))

    async def sums(
        self, columns: Iterable[str], measures: Iterable[str], *, edges: Sequence[datetime] = ()
    ) -> list[Row]:
        """Return the sums of `measures` by `columns`, and by the buckets between `edges`. Raises as `read` does."""
        return await self.read(sums, columns, measures, edges=edges)

    async def read(
        self,
        build: Callable[..., Query],
        columns: Iterable[str],
        measures: Iterable[str],
        *,
        edges: Sequence[datetime] = (),
        after: Iterable[str] = (),
        among: Iterable[tuple[str, ...]] = (),
        **options: Any,
    ) -> list[Row]:
        """Return the rows of the query that `build` creates from the specification, its pieces and `options`.

        :param build: a function of `sums`, `people` or `lookups`.
        :param edges: n + 1 bucket edges for n buckets; see `Sums` for `after` and `among`.
        :raises Problem: the query needs raw events that were deleted.
        """
        spec = Sums(
            tuple(columns),
            tuple(measures),
            self.scope.filters,
            tuple(edges[:-1]),
            tuple(after),
            tuple(among),
            self.scope.rates,
        )
        pieces = self.scope.pieces(spec, end=edges[-1] if edges else None)
        # Merging the hash tables of several threads costs more than reading a rollup in one.
        threads = 1 if all(piece.rollup for piece in pieces) else 0
        return await self.reader.rows(build(spec, pieces, **options), threads=threads)
