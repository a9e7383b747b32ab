"""Dead letters: list, inspect and redrive them."""

from spendmeter_stream.dlq.letters import DeadLetter, Filter
from spendmeter_stream.dlq.reading import count_dead_letters, dead_letters
from spendmeter_stream.dlq.redrive import MAX_ATTEMPTS, RedriveOutcome, RedrivePlan, redrive_dead_letters

__all__ = [
    "MAX_ATTEMPTS",
    "DeadLetter",
    "Filter",
    "RedriveOutcome",
    "RedrivePlan",
    "count_dead_letters",
    "dead_letters",
    "redrive_dead_letters",
]
