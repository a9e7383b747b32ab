"""Convert numpy columns to Arrow; money without a detour through text or `Decimal`.

Columns are built from buffers: `pa.array` and `pa.scalar` import pandas if it is installed, which takes longer
than loading the whole price book.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Column: TypeAlias = "pa.Array[Any]"
Words: TypeAlias = npt.NDArray[np.uint64]

MONEY: Final = pa.decimal128(38, 12)
_LOW: Final = 2**64 - 1


def money(words: Words) -> Column:
    """Return `decimal128(38, 12)` dollars from the 128-bit words of pico-dollars."""
    return _column(MONEY, words)


def words_of(pico: npt.NDArray[Any]) -> Words:
    """Return pico-dollars (int64 or Python integers) in Arrow's layout: `[row, (low, high)]`, two's complement."""
    words = np.empty((len(pico), 2), np.uint64)
    if pico.dtype == np.int64:
        words[:, 0] = pico.view(np.uint64)
        words[:, 1] = (pico >> 63).view(np.uint64)
    else:
        words[:, 0] = [int(value) & _LOW for value in pico]
        words[:, 1] = [int(value) >> 64 & _LOW for value in pico]
    return words


def counter(flags: npt.NDArray[np.bool_]) -> Column:
    """Return an Int8 column: 1 where the flag is set."""
    return _column(pa.int8(), flags.view(np.int8))


def chosen_texts(texts: Sequence[str], which: npt.NDArray[np.int64]) -> Column:
    """Return `texts[which]`, one text per row."""
    return _texts(texts).take(_column(pa.int64(), which))


def chosen_lists(lists: Sequence[Sequence[str]], which: npt.NDArray[np.int64]) -> Column:
    """Return `lists[which]`, one list of texts per row."""
    offsets = np.cumsum([0, *map(len, lists)], dtype=np.int32)
    values = _texts([text for texts in lists for text in texts])
    layout = [None, pa.py_buffer(offsets.tobytes())]
    column = pa.Array.from_buffers(pa.list_(pa.string()), len(lists), layout, children=[values])
    return column.take(_column(pa.int64(), which))


def _texts(texts: Sequence[str]) -> Column:
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


def _column(kind: pa.DataType, values: npt.NDArray[Any]) -> Column:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values.tobytes())])
