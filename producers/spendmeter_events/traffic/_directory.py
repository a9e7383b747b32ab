"""Directory entries of the demo traffic: orgs and users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from spendmeter_events.directory import OrgEntry, UserEntry
from spendmeter_events.traffic._people import people
from spendmeter_events.traffic._schools import SCHOOLS

# Constant, so that seeding again does not override an entry that was changed since.
_UPDATED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def directory(seed: int) -> list[OrgEntry | UserEntry]:
    """Return all orgs, then all users, of the traffic that `generate` yields for this seed."""
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
