"""Directory entries of the demo traffic: orgs, users, and names of agents, tasks, configurations and features."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from spendmeter_events.directory import Entry, NameEntry, OrgEntry, UserEntry
from spendmeter_events.traffic._kinds import KINDS
from spendmeter_events.traffic._people import people
from spendmeter_events.traffic._schools import SCHOOLS

# Constant, so that seeding again does not override an entry that was changed since.
_UPDATED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_AVATARS: Final = "https://avatars.example"
_AGENTS: Final = {"tutor": "Subject tutor", "examiner": "Examiner", "librarian": "Librarian"}


def directory(seed: int) -> list[Entry]:
    """Return all orgs, then all users, then all names, of the traffic that `generate` yields for this seed."""
    orgs = [
        OrgEntry(
            org_id=school.org_id,
            name=school.name,
            timezone=school.timezone,
            currency=school.currency,
            updated_at=_UPDATED_AT,
        )
        for school in SCHOOLS
    ]
    users = [
        UserEntry(
            org_id=person.org_id,
            user_id=person.user_id,
            name=person.name,
            email=person.email,
            role=person.role,
            class_name=person.class_name,
            section=person.section,
            updated_at=_UPDATED_AT,
        )
        for school in SCHOOLS
        for person in people(school, seed)
    ]
    return [*orgs, *users, *_names()]


def _names() -> list[NameEntry]:
    """Return names for all orgs, and an own name of one org."""
    kinds, stacks = KINDS.values(), sorted({school.stack for school in SCHOOLS})
    agents = sorted({kind.agent for kind in kinds if kind.agent})
    names = [
        *(("agent", agent, _AGENTS.get(agent, _title(agent)), f"{_AVATARS}/{agent}.svg") for agent in agents),
        *(("task", task, _title(task), "") for task in sorted({kind.task for kind in kinds if kind.task})),
        *(("feature", feature, _title(feature), "") for feature in sorted({kind.feature for kind in kinds})),
        *(
            ("configuration", f"{agent}-{stack}", f"{_title(agent)} on {stack}", "")
            for agent in agents
            for stack in stacks
        ),
    ]
    entries = [
        NameEntry.model_validate({"kind": kind, "id": id_, "name": name, "avatar_url": url, "updated_at": _UPDATED_AT})
        for kind, id_, name, url in names
    ]
    own = NameEntry(kind="agent", id="tutor", org_id=SCHOOLS[0].org_id, name="Asha", updated_at=_UPDATED_AT)
    return [*entries, own]


def _title(text: str) -> str:
    words = text.replace("_", " ").replace("-", " ").split()
    return " ".join([words[0].capitalize(), *words[1:]]).replace("Ai ", "AI ").replace("Rag ", "RAG ")
