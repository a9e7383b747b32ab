"""DDL of the rollups and their projections, generated from the catalogue, and the comparison of a store with it.

`python -m spendmeter_clickhouse.ddl.schema` rewrites the generated parts of the migrations; a test compares them. After
the first release, a change of the catalogue needs a new migration instead.
"""

from __future__ import annotations

import re
from textwrap import fill
from typing import Final

from spendmeter_clickhouse.catalogue import (
    COLUMNS,
    COUNT,
    DAY,
    EVENTS,
    EXPRESSIONS,
    HOUR,
    LATENCY_BIN,
    MEASURES,
    QUARTER,
    ROLLUPS,
    SIGNED,
    STORED,
    USERS,
    RollupTable,
    user_set,
)
from spendmeter_clickhouse.ddl.projections import PROJECTIONS, Projection
from spendmeter_clickhouse.migrate import packaged_migrations
from spendmeter_clickhouse.store import Session

GENERATED: Final = ("0002_rollups.sql", "0003_projections.sql")
_STARTS: Final = {QUARTER: "toStartOfFifteenMinutes", HOUR: "toStartOfHour", DAY: "toStartOfDay"}
_SMALL_BLOCKS: Final = "user_daily"
"""Table with the default codec: T64 and ZSTD are slower in its small blocks, and no smaller."""


def view(rollup: RollupTable) -> str:
    """Return the SELECT of the materialized view that fills `rollup`."""
    columns = [
        f"{_STARTS[rollup.seconds]}(event.occurred_at) AS bucket",
        *(f"{EXPRESSIONS[name]} AS {name}" if name in EXPRESSIONS else name for name in rollup.columns),
        *(f"{STORED[name].aggregate()} AS {name}" for name in rollup.measures),
    ]
    # Calls without a latency are in no bin.
    where = "WHERE event.latency_ms IS NOT NULL\n" if LATENCY_BIN in rollup.columns else ""
    group = _wrapped(f"GROUP BY {', '.join(('bucket', *rollup.columns))}", indent=0)
    return "SELECT\n    " + ",\n    ".join(columns) + f"\nFROM {EVENTS} AS event\n{where}{group}"


def column_types(rollup: RollupTable) -> dict[str, str]:
    """Return the type of each column of `rollup`, in order."""
    measures = {name: STORED[name] for name in rollup.measures}
    return {
        "bucket": "DateTime('UTC')",
        **{name: COLUMNS.get(name, "UInt16") for name in rollup.columns},
        **{name: f"SimpleAggregateFunction({it.function}, {it.type})" for name, it in measures.items()},
    }


def rollups(text: str) -> str:
    """Return the migration `text` with the columns, sorting keys and views of the catalogue."""
    for rollup in ROLLUPS:
        table = rf"CREATE TABLE IF NOT EXISTS {rollup.table}\n\(\n"
        text = _between(text, table, r",?\n    --|\n\)|\Z", _columns(rollup))
        key = _wrapped(", ".join((*rollup.key, *_rest(rollup))), indent=len("ORDER BY ("), more="    ").lstrip()
        text = _between(text, rf"{table}[^;]*ORDER BY \(", r"\)", key)
        head = f"CREATE MATERIALIZED VIEW IF NOT EXISTS {rollup.table}_view TO {rollup.table} AS\n"
        text = _between(text, head, ";", view(rollup))
    return text


def projections(text: str) -> str:
    """Return the migration `text` with the projections of the catalogue after its first comment."""
    tables = dict.fromkeys(table for projection in PROJECTIONS for table in projection.tables)
    return text.partition("\n\n")[0] + "\n\n" + "\n\n".join(map(_projections_of, tables)) + "\n"


async def differences(session: Session) -> list[str]:
    """Compare a migrated store with the catalogue: return missing columns, other types, other views."""
    rows = await session.query("SELECT table, name, type FROM system.columns WHERE database = currentDatabase()")
    found = {(table, name): kind for table, name, kind in rows.result_rows}
    plain = (name for name, measure in STORED.items() if not (measure.value or measure.when))
    faults = [f"{EVENTS}.{name}: missing" for name in (*COLUMNS, *plain) if (EVENTS, name) not in found]
    for rollup in ROLLUPS:
        for name, kind in column_types(rollup).items():
            if found.get((rollup.table, name)) != kind:
                faults.append(f"{rollup.table}.{name}: {found.get((rollup.table, name), 'missing')}, not {kind}")
        rows = await session.query(
            "SELECT formatQuerySingleLine({select:String}) ="
            " replaceAll(formatQuerySingleLine(as_select), concat(currentDatabase(), '.'), '')"
            " FROM system.tables WHERE database = currentDatabase() AND name = {name:String}",
            {"select": view(rollup), "name": f"{rollup.table}_view"},
        )
        if not rows.result_rows or not rows.result_rows[0][0]:
            faults.append(f"{rollup.table}_view: not the SELECT of the catalogue")
    return faults


def main() -> None:
    """Rewrite the generated parts of the migrations."""
    for name, generate in zip(GENERATED, (rollups, projections), strict=True):
        path = packaged_migrations() / name
        path.write_text(generate(path.read_text(encoding="utf-8")), encoding="utf-8")


def _between(text: str, start: str, end: str, new: str) -> str:
    """Replace the text between the first match of `start` and the next of `end` by `new`, if both exist."""
    found = re.search(f"(?P<start>{start}).*?(?P<end>{end})", text, re.DOTALL)
    return f"{text[: found.end('start')]}{new}{text[found.start('end') :]}" if found else text


def _columns(rollup: RollupTable) -> str:
    coded = rollup.table != _SMALL_BLOCKS
    return ",\n".join(
        f"    {name} {kind}{_codec(name, kind) if coded else ''}" for name, kind in column_types(rollup).items()
    )


def _codec(name: str, kind: str) -> str:
    if name == "bucket":
        return " CODEC(DoubleDelta, ZSTD(1))"
    if name in COLUMNS:
        return ""
    whole = kind == "UInt16" or kind.endswith((f" {COUNT})", f" {SIGNED})"))
    return " CODEC(T64, ZSTD(1))" if whole else " CODEC(ZSTD(1))"


def _rest(rollup: RollupTable) -> list[str]:
    return [column for column in rollup.columns if column not in rollup.key]


def _projections_of(table: str) -> str:
    found = [projection for projection in PROJECTIONS if table in projection.tables]
    added = ",\n".join(_projection(projection) for projection in found)
    built = ",\n".join(f"    MATERIALIZE PROJECTION IF EXISTS {projection.name}" for projection in found)
    return (
        f"ALTER TABLE {table}\n"
        "    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,\n"
        "        materialize_projections_on_merge = 1;\n\n"
        f"ALTER TABLE {table}\n{added};\n\nALTER TABLE {table}\n{built};"
    )


def _projection(projection: Projection) -> str:
    keys = ", ".join((projection.time, *projection.columns))
    sums = ", ".join(map(_merged, projection.measures))
    settings = f" WITH SETTINGS ({projection.settings})" if projection.settings else ""
    body = "\n".join(_wrapped(line, indent=8) for line in (f"SELECT {keys}, {sums}", f"GROUP BY {keys}"))
    gain = _wrapped(f"-- {projection.gain}", indent=4, more="    -- ") + "\n" if projection.gain else ""
    return f"{gain}    ADD PROJECTION IF NOT EXISTS {projection.name}\n    (\n{body}\n    ){settings}"


def _merged(name: str) -> str:
    if name == USERS:
        return user_set("")
    measure = MEASURES[name]
    if name not in STORED:
        return measure.aggregate().replace("event.", "")
    return f"{measure.function}({name})"


def _wrapped(text: str, *, indent: int, more: str = "") -> str:
    first = " " * indent
    return fill(
        text, 120, initial_indent=first, subsequent_indent=more or f"{first}    ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
