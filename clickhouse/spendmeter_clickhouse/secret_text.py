"""Check that secrets chosen by an operator are long and random enough."""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Final

from pydantic import AfterValidator

SHORTEST: Final = 32
_FEWEST_BITS: Final = 72.0
"""One in 12,000 secrets of 32 random hexadecimal digits has fewer than 96 bits; the least of 150,000 had 85."""


def strong(text: str) -> str:
    """Return `text` if it is empty or random enough. Raises `ValueError`."""
    if text and (len(text) < SHORTEST or _bits(text) < _FEWEST_BITS or _repeats(text)):
        raise ValueError(
            f"shorter than {SHORTEST} characters, or easy to guess; generate one with `openssl rand -hex 32`"
        )
    return text


Secret = Annotated[str, AfterValidator(strong)]
"""Empty, or a strong secret."""


def _bits(text: str) -> float:
    """Return the entropy by character frequencies: an upper bound of the strength."""
    counts = Counter(text).values()
    return -sum(count * math.log2(count / len(text)) for count in counts)


def _repeats(text: str) -> bool:
    return text in (text + text)[1:-1]
