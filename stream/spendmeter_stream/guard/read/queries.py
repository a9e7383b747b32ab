"""The guard's SQL, in `sql/`: USD without calls on an org's own keys, every value bound.

Events after `now` do not count, so that past times can be evaluated. Rows begin with a scope ('org', 'user',
'feature', 'all'), an org and a name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

SAME_HOURS: Final = 14
"""Days that define the usual spend of an hour."""
BUSY_DAYS: Final = 28
"""Whole days that define a busy hour: longer than any holiday, after which a normal day would look like a spike."""
BUSY_RANK: Final = 3
"""The third busiest hour counts, so that one or two incidents do not raise it."""

_FOLDER: Final = Path(__file__).parent / "sql"


def _statement(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text()


RECENT: Final = _statement("recent")
MONTH: Final = _statement("month")
MONTH_OF_USERS: Final = _statement("month_of_users")
SAME_HOUR: Final = _statement("same_hour")
SAME_HOUR_OF_USERS: Final = _statement("same_hour_of_users")
BUSY_HOURS: Final = _statement("busy_hours")
BUSY_DAYS_OF_USERS: Final = _statement("busy_days_of_users")
