"""Statements over `usage.usage`: sums, amounts, and the shapes that panels need."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from grafana.build.calendar import QUARTER, bucket_start, with_names
from grafana.build.links import MAY_BE_EMPTY
from grafana.build.usage import Narrowed, usage

from spendmeter_clickhouse.catalogue import is_active_user
from spendmeter_events.usage_units import TOKENS

CODE: Final = "${currency}"
"""The currency chosen. A column with it in its name gets that currency's unit."""
TOP: Final = 10
USERS: Final = f"uniqExactIf((usage.org_id, usage.user_id), {is_active_user('usage.')})"
"""The number of distinct users with a request."""

_BACKSLASH: Final = "'\\\\\\\\'"


def total(*measures: str) -> str:
    """The sum of measures, added up."""
    return " + ".join(f"sum(usage.{measure})" for measure in measures)


def money(*measures: str) -> str:
    """An amount in the chosen currency. A number of the screen: exact decimals are the query service's."""
    return f"toFloat64({total(*measures)}) * fx"


def amount(label: str, *measures: str) -> str:
    """A column of `money`, named so that its unit is known."""
    return f'{money(*measures)} AS "{label} {CODE}"'


def drawn(*measures: str) -> str:
    """Return the amount of a series; its column name includes the unit."""
    return f'{money(*measures)} AS "{CODE}"'


def ratio(part: str, whole: str) -> str:
    """NULL where there is nothing to divide by."""
    return f"({part}) / nullIf({whole}, 0)"


def tokens() -> str:
    """All tokens."""
    return total(*TOKENS)


def linkable(expression: str) -> str:
    """A value as a variable must hold it: `:singlequote` escapes quotes, and not the backslash before them."""
    return f"replaceAll({expression}, '\\\\', {_BACKSLASH})"


def value_of(column: str) -> str:
    """A column for links alone: the value as the variable of `column` holds it."""
    value = f"usage.{column}"
    return f"{linkable(shown(value) if column in MAY_BE_EMPTY else value)} AS {column}_value"


def org_name(org: str = "usage.org_id") -> str:
    """The school's name; its id where the directory has none."""
    return (
        f"coalesce(nullIf(dictGetOrDefault('org_directory', 'name', tuple(toString({org})), ''), ''), toString({org}))"
    )


def person(attribute: str, org: str = "usage.org_id", user: str = "usage.user_id") -> str:
    """What the directory says of a person now; empty where it does not know them."""
    return f"dictGetOrDefault('user_directory', '{attribute}', (toString({org}), toString({user})), '')"


def user_name(org: str = "usage.org_id", user: str = "usage.user_id") -> str:
    """The person's name; the id where the directory has none."""
    return f"coalesce(nullIf({person('name', org, user)}, ''), toString({user}))"


def shown(expression: str) -> str:
    """A dash for what is empty."""
    return f"if({expression} = '', '-', {expression})"


def select(columns: Collection[str], source: str, tail: str = "", **names: str) -> str:
    """`columns` of the rows of `source`, under the alias `usage`."""
    chosen = ",\n  ".join(columns)
    return with_names(f"SELECT\n  {chosen}\nFROM (\n{source}\n) AS usage\n{tail}".rstrip(), **names)


def compared(columns: Collection[str], dimensions: Collection[str], measures: Collection[str]) -> str:
    """Two rows, the window before and this one, so that a stat panel shows the change between them."""
    both = (
        f"SELECT 0 AS current, * FROM (\n{usage(dimensions, measures, window='v')}\n)\n"
        f"UNION ALL\nSELECT 1 AS current, * FROM (\n{usage(dimensions, measures)}\n)"
    )
    return select(["if(usage.current = 1, w0, v0) AS time", *columns], both, "GROUP BY time\nORDER BY time")


def over_time(columns: Collection[str], dimensions: Collection[str], measures: Collection[str]) -> str:
    """One row a bucket, buckets without usage included."""
    nothing = ", ".join(["''"] * len(dimensions) + ["0"] * len(measures))
    every = f"SELECT toDateTime(arrayJoin(range(toUInt32(w0), toUInt32(w1), {QUARTER})), 'UTC'), {nothing}"
    source = f"{usage(dimensions, measures, stepped=True)}\n  UNION ALL\n  {every}"
    return select([f"{bucket_start('usage.bucket')} AS time", *columns], source, "GROUP BY time\nORDER BY time")


def by(
    label: str,
    value: str,
    dimensions: Collection[str],
    measures: Collection[str],
    *,
    ranked_by: str = "sum(usage.cost)",
    narrowed: Narrowed | None = None,
) -> str:
    """Long rows (time, name, value): the ten largest names over the window, and `other`.

    :param label: the name of a row's series, over `usage`'s dimensions.
    """
    ranked = usage(dimensions, measures, narrowed=narrowed)
    top = (
        f"(SELECT groupArray(name) FROM (SELECT {label} AS name FROM (\n{ranked}\n) AS usage\n"
        f"GROUP BY name ORDER BY {ranked_by} DESC, name LIMIT {TOP}))"
    )
    name = f"if(has(top, {label}), {label}, 'other') AS name"
    columns = [f"{bucket_start('usage.bucket')} AS time", name, value]
    rows = usage(dimensions, measures, stepped=True, narrowed=narrowed)
    return select(columns, rows, "GROUP BY time, name\nORDER BY time, name", top=top)
