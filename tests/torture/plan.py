"""The order of faults: an endless sequence by seed, with every kind and every point in turn."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

from spendmeter_stream.ingest.protocol import STEPS
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
    "second_group",
    "clock_jump",
    "topic_reborn",
    "widening",
    "records_expired",
    "group_moved_back",
    "foreign_partitioner",
    "reprice_crash",
    "rebuild_crash",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
POINTS: Final = tuple(f"{when}:{step}" for step in STEPS for when in ("before", "after"))
KAFKA_ONLY: Final[frozenset[Kind]] = frozenset(
    {"broker_kill", "widening", "records_expired", "group_moved_back", "rebalance_storm"}
)
"""Faults that Tansu does not support: it loses its records when it dies, cannot add partitions or delete records, and
accepts offsets of a group that had members only from members. A leader that leaves during a rebalance remains the
leader of its group: no other member is elected, and all rejoin for minutes."""
ROLLUPS: Final = ("usage_15m", "usage_hourly", "usage_daily", "user_daily")
_STORE_FAULTS: Final[tuple[StoreFault, ...]] = get_args(StoreFault)
ALL: Final[tuple[Kind, ...]] = (*KINDS, "kill", "kill", "zombie")
"""Every kind. Kills and zombies are more frequent, because there are many points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. Fields that its kind does not use are drawn too, and ignored."""

    kind: Kind
    worker: int
    point: str
    """Point of the protocol at which a worker is killed or frozen."""
    hits: int
    """Number of the arrival at the point."""
    store_fault: StoreFault
    rollup: str
    """Rollup that rejects rows while raw events accept them."""
    dice: int
    """Seed of the fault's other choices."""


def plan(*, seed: int, workers: int, kinds: Sequence[Kind] = ALL) -> Iterator[Fault]:
    """Yield faults endlessly, each of `kinds` before one repeats.

    :param kinds: the kinds to choose from.
    """
    dice = random.Random(seed)
    points = deck(dice, POINTS)
    store_faults = deck(dice, _STORE_FAULTS)
    rollups = deck(dice, ROLLUPS)
    for kind in deck(dice, kinds):
        yield Fault(
            kind=kind,
            worker=dice.randrange(workers),
            # A point is consumed only if it is used, so that kills and zombies together cover all of them.
            point=next(points) if kind in ("kill", "zombie") else "",
            hits=dice.randint(1, 2),
            store_fault=next(store_faults) if kind == "store_fault" else "cut",
            rollup=next(rollups),
            dice=dice.getrandbits(32),
        )


def possible(kinds: Sequence[Kind], *, on_kafka: bool) -> list[Kind]:
    """Return the `kinds` that a broker supports: all for Apache Kafka, those that it survives for a memory broker."""
    return [kind for kind in kinds if on_kafka or kind not in KAFKA_ONLY]


def deck(dice: random.Random, cards: Sequence[T]) -> Iterator[T]:
    """Yield all `cards` in random order, endlessly."""
    while True:
        yield from dice.sample(cards, len(cards))
