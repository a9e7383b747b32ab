"""Compare rollups with raw events and report every difference."""

from spendmeter_stream.dlq.letters import DeadLetterCounts
from spendmeter_stream.verify.compare import Days
from spendmeter_stream.verify.drift import check_drift, closed_days
from spendmeter_stream.verify.report import DayResult, Difference, Duplicate, Report
from spendmeter_stream.verify.run import Surroundings, verify

__all__ = [
    "DayResult",
    "Days",
    "DeadLetterCounts",
    "Difference",
    "Duplicate",
    "Report",
    "Surroundings",
    "check_drift",
    "closed_days",
    "verify",
]
