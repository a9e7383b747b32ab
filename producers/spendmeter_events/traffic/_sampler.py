"""Sample callers and call templates of one school."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate

from spendmeter_events.traffic._people import Person, people
from spendmeter_events.traffic._rhythm import Rhythm
from spendmeter_events.traffic._schools import School
from spendmeter_events.traffic._templates import Caller, CallTemplate, caller, templates


class SchoolSampler:
    """Samples callers of one school, and templates of its calls."""

    def __init__(self, school: School, *, seed: int) -> None:
        everyone = list(people(school, seed))
        self.school = school
        self.rhythm = Rhythm(school)
        self.system = caller(school.org_id)
        self._templates = templates(school)
        self._callers = {role: _weighted(everyone, role) for role in {person.role for person in everyone}}

    def caller(self, role: str, chance: float) -> Caller:
        """Return a caller with a role of the school, weighted by activity; `chance` is in [0, 1)."""
        callers, cumulative = self._callers[role]
        return callers[bisect(cumulative, chance * cumulative[-1])]

    def template(self, kind: str, chance: int) -> CallTemplate:
        """Return a template of this kind, weighted by the share of its model; `chance` is in 0 … 63."""
        return self._templates[kind][chance]


def _weighted(everyone: list[Person], role: str) -> tuple[list[Caller], list[float]]:
    chosen = [person for person in everyone if person.role == role]
    return (
        [caller(person.org_id, person) for person in chosen],
        list(accumulate(person.weight for person in chosen)),
    )
