"""Which faults come, in which order: an endless sequence by seed, in which every kind and every point has its turn."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

from spendmeter_stream.protocol import STEPS
from tests.support.clickhouse_http.faults import Kind as StoreFault

T = TypeVar("T")

Kind = Literal[
    "kill",
    "zombie",
    "store_fault",
    "store_kill",
    "store_torn",
    "half_landed",
    "broker_freeze",
    "broker_kill",
    "rebalance_storm",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
POINTS: Final = tuple(f"{when}:{step}" for step in STEPS for when in ("before", "after"))
ROLLUPS: Final = ("usage_15m", "usage_hourly", "usage_daily", "user_daily")
_STORE_FAULTS: Final[tuple[StoreFault, ...]] = get_args(StoreFault)
_TWICE: Final[tuple[Kind, ...]] = ("kill", "kill", "zombie")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. What its kind has no use for is drawn all the same, and ignored."""

    kind: Kind
    worker: int
    point: str
    """Of the protocol, where a worker is killed or frozen."""
    hits: int
    """At which of its arrivals there."""
    store_fault: StoreFault
    rollup: str
    """Which rollup refuses rows while raw events take them."""


def plan(*, seed: int, workers: int, without: Sequence[Kind] = ()) -> Iterator[Fault]:
    """Faults for ever. Kills and zombies come most often, because there are so many points.

    :param without: kinds that this broker or machine cannot have.
    """
    dice = random.Random(seed)
    kinds = _deck(dice, [kind for kind in (*KINDS, *_TWICE) if kind not in without])
    points = _deck(dice, POINTS)
    store_faults = _deck(dice, _STORE_FAULTS)
    rollups = _deck(dice, ROLLUPS)
    for kind in kinds:
        yield Fault(
            kind=kind,
            worker=dice.randrange(workers),
            # A point is spent only where it is used, so that kills and zombies together walk through all of them.
            point=next(points) if kind in ("kill", "zombie") else "",
            hits=dice.randint(1, 2),
            store_fault=next(store_faults) if kind == "store_fault" else "cut",
            rollup=next(rollups) if kind == "half_landed" else "",
        )


def _deck(dice: random.Random, cards: Sequence[T]) -> Iterator[T]:
    """All `cards` in a random order, then all of them in another, for ever."""
    while True:
        yield from dice.sample(cards, len(cards))
