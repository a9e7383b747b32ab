"""Draws from distributions by tables, so that a draw costs one look-up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from statistics import NormalDist
from typing import Final, TypeVar

T = TypeVar("T")

BITS: Final = 10
SIZE: Final = 1 << BITS
MASK: Final = SIZE - 1


@cache
def _normal() -> tuple[float, ...]:
    inverse = NormalDist().inv_cdf
    return tuple(inverse((place + 0.5) / SIZE) for place in range(SIZE))


@cache
def spread(median: float, sigma: float) -> tuple[int, ...]:
    """1,024 equally likely whole values, at least 1, of a lognormal distribution."""
    return tuple(max(1, round(median * math.exp(sigma * z))) for z in _normal())


@cache
def factors(sigma: float) -> tuple[float, ...]:
    """1,024 equally likely factors around 1, lognormal."""
    return tuple(math.exp(sigma * z) for z in _normal())


def slots(choices: Sequence[tuple[T, float]], *, size: int = 64) -> tuple[T, ...]:
    """`size` equally likely places that hold the choices by their share; every choice has at least one."""
    total = sum(share for _, share in choices)
    counts = [max(1, round(share / total * size)) for _, share in choices]
    # Rounding may have gone over or under: the larger choices bear it.
    for _ in range(abs(size - sum(counts))):
        counts[counts.index(max(counts))] += 1 if sum(counts) < size else -1
    return tuple(choice for (choice, _), count in zip(choices, counts, strict=True) for _ in range(count))


def poisson(random: Callable[[], float], mean: float) -> int:
    """How many of many unlikely things happen. Knuth's product below a mean of 30, normal above it."""
    if mean > 30:
        # The sum of twelve uniform draws, less six, is close enough to a normal draw.
        return max(0, round(mean + math.sqrt(mean) * (sum(random() for _ in range(12)) - 6)))
    limit = math.exp(-mean)
    count, product = 0, random()
    while product > limit:
        count += 1
        product *= random()
    return count
