"""Reprice stored calls with the current book, and append adjustment rows for the difference."""

from spendmeter_stream.errors import RepriceError
from spendmeter_stream.reprice.difference import CostDifference, Line
from spendmeter_stream.reprice.lease import lease
from spendmeter_stream.reprice.run import Progress, append_adjustments, compare, complete_interrupted
from spendmeter_stream.reprice.selection import CallSelection

__all__ = [
    "CallSelection",
    "CostDifference",
    "Line",
    "Progress",
    "RepriceError",
    "append_adjustments",
    "compare",
    "complete_interrupted",
    "lease",
]
