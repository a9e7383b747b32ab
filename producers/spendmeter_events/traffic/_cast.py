"""One school's people and lines, ready to be drawn from."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate

from spendmeter_events.traffic._lines import Caller, Line, caller, lines
from spendmeter_events.traffic._people import Person, people
from spendmeter_events.traffic._rhythm import Rhythm
from spendmeter_events.traffic._schools import School


class Cast:
    """Who can act at one school, and with which models."""

    def __init__(self, school: School, *, seed: int) -> None:
        everyone = list(people(school, seed))
        self.school = school
        self.rhythm = Rhythm(school)
        self.system = caller(school.org_id)
        self._lines = lines(school)
        self._callers = {role: _weighted(everyone, role) for role in {person.role for person in everyone}}

    def someone(self, role: str, chance: float) -> Caller:
        """One of the people of a role (which the school has), the busy ones more often; `chance` is in [0, 1)."""
        callers, reached = self._callers[role]
        return callers[bisect(reached, chance * reached[-1])]

    def line(self, kind: str, chance: int) -> Line:
        """A line of this kind, by the models' shares; `chance` is in 0 … 63."""
        return self._lines[kind][chance]


def _weighted(everyone: list[Person], role: str) -> tuple[list[Caller], list[float]]:
    chosen = [person for person in everyone if person.role == role]
    return (
        [caller(person.org_id, person) for person in chosen],
        list(accumulate(person.weight for person in chosen)),
    )
