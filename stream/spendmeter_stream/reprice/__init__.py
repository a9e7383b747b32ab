"""Reprice stored calls with the current book, and append adjustment rows for the difference."""

from spendmeter_stream.errors import RepriceError
from spendmeter_stream.reprice.difference import Difference, Line
from spendmeter_stream.reprice.lease import lease
from spendmeter_stream.reprice.run import Progress, append_adjustments, compare, complete_interrupted
from spendmeter_stream.reprice.selection import Selection

__all__ = [
    "Difference",
    "Line",
    "Progress",
    "RepriceError",
    "Selection",
    "append_adjustments",
    "compare",
    "complete_interrupted",
    "lease",
]
