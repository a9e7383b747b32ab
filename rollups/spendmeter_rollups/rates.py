"""Dated currency rates: which one an answer uses, and how a new one is written (features row 22)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from spendmeter_rollups.money import USD, Rate
from spendmeter_rollups.problems import invalid_parameter
from spendmeter_rollups.queries.lookups import known_currencies, rate_in_force
from spendmeter_rollups.reader import Reader
from spendmeter_rollups.scope import Scope
from spendmeter_rollups.windows import local_date

_CODE: Final = re.compile(r"^[A-Z]{3}$")


async def find_rate(reader: Reader, currency: str, scope: Scope) -> Rate:
    """The rate in force on the last day of the window, so that a past report never changes.

    Raises `Problem` for a currency without a rate by then.
    """
    if currency == USD:
        return Rate()
    last_day = local_date(scope.window.end - timedelta(milliseconds=1), scope.zone)
    rows = await reader.rows(rate_in_force(currency, last_day)) if _CODE.match(currency) else []
    if not rows:
        known = [f"{row['currency']} (since {row['since']})" for row in await reader.rows(known_currencies())]
        raise invalid_parameter("currency", f"no rate for {currency!r} on or before {last_day}", allowed=[USD, *known])
    (row,) = rows
    return Rate(currency=currency, per_usd=row["per_usd"], on=row["rate_date"], source=row["source"])
