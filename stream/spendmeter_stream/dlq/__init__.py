"""Dead letters: list them, look into one, and send them again once the reason is gone."""

from spendmeter_stream.dlq.letters import DeadLetter, Filter
from spendmeter_stream.dlq.reading import count_dead_letters, dead_letters
from spendmeter_stream.dlq.replaying import MAX_ATTEMPTS, ReplayOutcome, ReplayPlan, replay_dead_letters

__all__ = [
    "MAX_ATTEMPTS",
    "DeadLetter",
    "Filter",
    "ReplayOutcome",
    "ReplayPlan",
    "count_dead_letters",
    "dead_letters",
    "replay_dead_letters",
]
