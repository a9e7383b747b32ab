"""The records of a run, by seed, and the expected sums. No I/O.

Money is counted in pico-dollars (1e-12 USD), in integers, so that "equal" means equal.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

_ORGS: Final = ("school-a", "school-b", "school-c")
# gpt-4o since 2024-10-02: 2.50 USD and 10.00 USD per million tokens.
_INPUT_PICO: Final = 2_500_000
_OUTPUT_PICO: Final = 10_000_000
# In every batch, some events are on each side of a month's end, and some are a month late.
_MONTH_END: Final = datetime(2025, 11, 1, tzinfo=UTC)
_SPREAD_MS: Final = 3 * 60 * 60 * 1000
_LATE: Final = timedelta(days=31)
_LATE_SHARE: Final = 0.05
AHEAD: Final = "ahead"
"""Org of the events that are counted or not depending on a worker's clock."""
_AHEAD_OF_CLOCK: Final = timedelta(minutes=90)
_LATEST_RETRY: Final = 4
"""Maximum number of batches between a client's first and second copy; 0 is the same batch."""


class Record(NamedTuple):
    """A record of the usage topic."""

    key: bytes
    value: bytes


class Measures(NamedTuple):
    """The sums of one org and hour. `cost` is in pico-dollars."""

    ids: int = 0
    requests: int = 0
    tokens: int = 0
    cost: int = 0

    def plus(self, other: Measures) -> Measures:
        """Return the sum of both, by measure."""
        return Measures(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


Sums = Mapping[tuple[str, datetime], Measures]
"""(org, start of the UTC hour or day) → measures."""


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Generate batches of records, and sum each event once, however often it is sent."""

    seed: int
    retry_share: float = 0.10
    bad_share: float = 0.02
    ahead_counts: bool | None = None
    """Whether events of `AHEAD` are counted; None if that depends on clocks."""
    events: int = 0
    retries: int = 0
    bad_keys: set[bytes] = field(default_factory=set)
    lost_letters: set[bytes] = field(default_factory=set)
    """Those of `bad_keys` whose dead letters were found at a quiet point and then lost with a memory broker."""
    _random: random.Random = field(init=False)
    _batches: int = 0
    _sent_again: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    _hours: dict[tuple[str, datetime], Measures] = field(default_factory=lambda: defaultdict(Measures))

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def batch(self, size: int) -> list[Record]:
        """Return the next `size` events, the second copies that are due, and some unreadable records."""
        records = [self._event() for _ in range(size)]
        records += [self._unreadable() for _ in range(size) if self._random.random() < self.bad_share]
        again = self._sent_again.pop(self._batches, [])
        self.retries += len(again)
        self._batches += 1
        records += again
        # The first copy is usually first, but not always, as with several threads of an emitter.
        self._random.shuffle(records)
        return records

    def ahead(self, size: int) -> list[Record]:
        """Return events of `AHEAD`, 90 minutes from now. The ledger does not sum them, because clocks decide."""
        moment = datetime.now(UTC) + _AHEAD_OF_CLOCK
        records = []
        for _ in range(size):
            event_id = UUID(int=self._random.getrandbits(128), version=4)
            records.append(Record(event_id.bytes, _encoded(event_id, moment, AHEAD, 100, 10)))
        return records

    def hours(self) -> Sums:
        """Return the expected sums of raw events, `usage_15m` and `usage_hourly`."""
        return dict(self._hours)

    def days(self) -> Sums:
        """Return the expected sums of the daily rollups."""
        return by_day(self._hours)

    def _event(self) -> Record:
        event_id = UUID(int=self._random.getrandbits(128), version=4)
        moment = _MONTH_END + timedelta(milliseconds=self._random.randint(-_SPREAD_MS, _SPREAD_MS))
        if self._random.random() < _LATE_SHARE:
            moment -= _LATE
        org = self._random.choice(_ORGS)
        tokens_in, tokens_out = self._random.randint(1, 5000), self._random.randint(1, 900)
        record = Record(event_id.bytes, _encoded(event_id, moment, org, tokens_in, tokens_out))
        hour = (org, moment.replace(minute=0, second=0, microsecond=0))
        cost = tokens_in * _INPUT_PICO + tokens_out * _OUTPUT_PICO
        self._hours[hour] = self._hours[hour].plus(Measures(1, 1, tokens_in + tokens_out, cost))
        self.events += 1
        if self._random.random() < self.retry_share:
            self._sent_again[self._batches + self._random.randint(0, _LATEST_RETRY)].append(record)
        return record

    def _unreadable(self) -> Record:
        key = self._random.randbytes(16)
        self.bad_keys.add(key)
        return Record(key, b'{"event_id": ' + str(len(self.bad_keys)).encode())


def by_day(hours: Sums) -> Sums:
    """Return the sums of hours by UTC day."""
    days: dict[tuple[str, datetime], Measures] = defaultdict(Measures)
    for (org, hour), measures in hours.items():
        day = (org, hour.replace(hour=0))
        days[day] = days[day].plus(measures)
    return dict(days)


def _encoded(event_id: UUID, moment: datetime, org: str, tokens_in: int, tokens_out: int) -> bytes:
    fields = {
        "event_id": str(event_id),
        "occurred_at": moment.isoformat(timespec="milliseconds"),
        "org_id": org,
        "feature": "chat",
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
    }
    return json.dumps(fields).encode()
