"""Who is who in the demo traffic."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from spendmeter_events.directory import OrgEntry, UserEntry
from spendmeter_events.traffic._people import people
from spendmeter_events.traffic._schools import SCHOOLS

# Fixed, so that a second seeding says the same, and an entry that someone has changed since stays changed.
_UPDATED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def directory(seed: int) -> list[OrgEntry | UserEntry]:
    """Every org, then every user, whom `generate` with this seed makes act."""
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
    return [*orgs, *users]
