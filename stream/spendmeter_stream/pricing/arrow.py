"""Numpy columns as Arrow columns; money without going through text or `Decimal`."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Column: TypeAlias = "pa.Array[Any]"

MONEY: Final = pa.decimal128(38, 12)
_LOW: Final = 2**64 - 1


def money(pico: npt.NDArray[Any]) -> Column:
    """`decimal128(38, 12)` dollars from pico-dollars, given as int64 or, for larger sums, as Python integers.

    The layout is Arrow's: 16 bytes, little-endian two's complement, of the unscaled value.
    """
    words = np.empty((len(pico), 2), np.uint64)
    if pico.dtype == np.int64:
        words[:, 0] = pico.view(np.uint64)
        words[:, 1] = (pico >> 63).view(np.uint64)
    else:
        words[:, 0] = [int(value) & _LOW for value in pico]
        words[:, 1] = [int(value) >> 64 & _LOW for value in pico]
    return pa.Array.from_buffers(MONEY, len(pico), [None, pa.py_buffer(words.tobytes())])


def choose(values: Column, which: npt.NDArray[Any]) -> Column:
    """`values[which]`, as one Arrow column."""
    return values.take(pa.array(which, pa.int64()))


def counter(flags: npt.NDArray[np.bool_]) -> Column:
    """The store's Int8 counters: 1 where the flag is set."""
    return pa.array(flags.astype(np.int8), pa.int8())
