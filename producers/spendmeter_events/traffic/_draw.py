"""Tables of distributions, so that a sample costs one look-up."""

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
    """Return 1,024 equally likely integers, at least 1, of a lognormal distribution."""
    return tuple(max(1, round(median * math.exp(sigma * z))) for z in _normal())


@cache
def factors(sigma: float) -> tuple[float, ...]:
    """Return 1,024 equally likely factors of a lognormal distribution with median 1."""
    return tuple(math.exp(sigma * z) for z in _normal())


def slots(choices: Sequence[tuple[T, float]], *, size: int = 64) -> tuple[T, ...]:
    """Return `size` equally likely entries: the choices in proportion to their shares, each at least once."""
    total = sum(share for _, share in choices)
    counts = [max(1, round(share / total * size)) for _, share in choices]
    # Correct rounding errors at the largest choices.
    for _ in range(abs(size - sum(counts))):
        counts[counts.index(max(counts))] += 1 if sum(counts) < size else -1
    return tuple(choice for (choice, _), count in zip(choices, counts, strict=True) for _ in range(count))


def poisson(random: Callable[[], float], mean: float) -> int:
    """Return a Poisson sample: Knuth's product up to a mean of 30, a normal approximation above."""
    if mean > 30:
        # The sum of twelve uniform samples, minus six, approximates a normal sample.
        return max(0, round(mean + math.sqrt(mean) * (sum(random() for _ in range(12)) - 6)))
    limit = math.exp(-mean)
    count, product = 0, random()
    while product > limit:
        count += 1
        product *= random()
    return count
