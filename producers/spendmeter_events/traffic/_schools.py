"""The fictional schools of the demo: head counts, calendars and models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

Stack = Literal["openai", "anthropic", "google", "economy", "european", "platform"]

DateRange = tuple[tuple[int, int], tuple[int, int]]
"""((month, day), (month, day)), inclusive. Dates are the same in every year (real holidays move), so that every window
contains holidays and exams."""

INDIA: Final[tuple[DateRange, ...]] = (
    ((10, 2), (10, 2)),
    ((10, 18), (10, 22)),
    ((11, 6), (11, 11)),
    ((12, 24), (1, 1)),
    ((1, 26), (1, 26)),
    ((3, 3), (3, 4)),
    ((5, 12), (6, 14)),
    ((8, 15), (8, 15)),
)
NEPAL: Final[tuple[DateRange, ...]] = (
    ((9, 19), (9, 19)),
    ((10, 11), (10, 24)),
    ((11, 8), (11, 12)),
    ((12, 25), (1, 5)),
    ((4, 10), (4, 24)),
)
AMERICA: Final[tuple[DateRange, ...]] = (
    ((9, 7), (9, 7)),
    ((10, 12), (10, 12)),
    ((11, 25), (11, 28)),
    ((12, 21), (1, 3)),
    ((3, 15), (3, 21)),
    ((6, 12), (8, 23)),
)
EUROPE: Final[tuple[DateRange, ...]] = (
    ((10, 19), (10, 31)),
    ((12, 22), (1, 3)),
    ((3, 28), (4, 10)),
    ((7, 10), (8, 22)),
)
EXAMS_ASIA: Final[tuple[DateRange, ...]] = (((9, 14), (9, 29)), ((12, 7), (12, 19)), ((2, 22), (3, 16)))
EXAMS_WEST: Final[tuple[DateRange, ...]] = (((10, 5), (10, 9)), ((12, 7), (12, 18)), ((5, 18), (6, 5)))

MON_TO_SAT: Final = frozenset({0, 1, 2, 3, 4, 5})
SUN_TO_FRI: Final = frozenset({6, 0, 1, 2, 3, 4})
MON_TO_FRI: Final = frozenset({0, 1, 2, 3, 4})


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """An org. Head counts are users with an account; in `school_days`, Monday is 0."""

    org_id: str
    name: str
    timezone: str
    currency: str
    stack: Stack
    students: int = 0
    teachers: int = 0
    admins: int = 0
    parents: int = 0
    independent_students: int = 0
    super_admins: int = 0
    school_days: frozenset[int] = MON_TO_FRI
    holidays: tuple[DateRange, ...] = ()
    exams: tuple[DateRange, ...] = EXAMS_WEST
    byok: frozenset[str] = frozenset()
    """Providers for which the school uses its own key."""
    guardrails: bool = True
    """Whether a guardrail call checks each message first."""
    region: str = "eastus"
    """Region of its Azure speech resource."""
    grades: tuple[int, ...] = (6, 7, 8, 9, 10, 11, 12)
    sections: str = "AB"
    names: Literal["india", "nepal", "west"] = "west"


_INDIAN: Final = School(
    org_id="",
    name="",
    timezone="Asia/Kolkata",
    currency="INR",
    stack="openai",
    school_days=MON_TO_SAT,
    holidays=INDIA,
    exams=EXAMS_ASIA,
    region="centralindia",
    names="india",
)
# Indian vendors bill Nepal's schools in Indian rupees.
_NEPALI: Final = replace(
    _INDIAN, timezone="Asia/Kathmandu", school_days=SUN_TO_FRI, holidays=NEPAL, names="nepal", sections="ABC"
)
_AMERICAN: Final = School(
    org_id="",
    name="",
    timezone="America/New_York",
    currency="USD",
    stack="openai",
    holidays=AMERICA,
    sections="1",
)
_EUROPEAN: Final = replace(
    _AMERICAN, timezone="Europe/Berlin", currency="EUR", stack="european", holidays=EUROPE, region="westeurope"
)

SCHOOLS: Final = (
    replace(
        _INDIAN,
        org_id="sunrise-delhi",
        name="Sunrise Public School, New Delhi",
        students=170,
        teachers=16,
        admins=3,
        parents=22,
        sections="ABC",
    ),
    replace(
        _INDIAN,
        org_id="greenfield-pune",
        name="Greenfield International School, Pune",
        stack="google",
        students=120,
        teachers=13,
        admins=2,
        parents=16,
        byok=frozenset({"google"}),
    ),
    replace(
        _INDIAN,
        org_id="niketan-bengaluru",
        name="Vidya Niketan, Bengaluru",
        stack="anthropic",
        students=140,
        teachers=14,
        admins=2,
        parents=18,
    ),
    replace(
        _INDIAN,
        org_id="lotus-chennai",
        name="Lotus Valley School, Chennai",
        stack="economy",
        students=90,
        teachers=9,
        admins=2,
        parents=10,
    ),
    replace(
        _INDIAN,
        org_id="riverside-kolkata",
        name="Hooghly Riverside School, Kolkata",
        students=75,
        teachers=8,
        admins=2,
        parents=8,
        guardrails=False,
    ),
    replace(
        _NEPALI,
        org_id="everest-kathmandu",
        name="Everest Heights Academy, Kathmandu",
        stack="economy",
        students=110,
        teachers=11,
        admins=2,
        parents=12,
    ),
    replace(
        _NEPALI,
        org_id="lakeside-pokhara",
        name="Lakeside School, Pokhara",
        stack="google",
        students=60,
        teachers=6,
        admins=1,
        parents=6,
    ),
    replace(
        _AMERICAN,
        org_id="maplewood-newyork",
        name="Maplewood Middle School, New York",
        students=80,
        teachers=10,
        admins=2,
        parents=14,
        sections="12",
    ),
    replace(
        _AMERICAN,
        org_id="cedar-austin",
        name="Cedar Creek Academy, Austin",
        timezone="America/Chicago",
        stack="anthropic",
        students=55,
        teachers=7,
        admins=1,
        parents=9,
        byok=frozenset({"anthropic", "openai"}),
    ),
    replace(
        _EUROPEAN,
        org_id="lindenhof-berlin",
        name="Lindenhof-Gymnasium, Berlin",
        students=65,
        teachers=8,
        admins=2,
        byok=frozenset({"mistral"}),
        sections="ab",
    ),
    replace(
        _EUROPEAN,
        org_id="tejo-lisbon",
        name="Escola do Tejo, Lisboa",
        timezone="Europe/Lisbon",
        students=45,
        teachers=5,
        admins=1,
        parents=5,
    ),
    replace(
        _AMERICAN,
        org_id="palm-dubai",
        name="Palm Grove School, Dubai",
        timezone="Asia/Dubai",
        stack="openai",
        students=50,
        teachers=6,
        admins=1,
        parents=8,
        holidays=EUROPE,
        region="uaenorth",
    ),
    # Learners without a school: the org has no name.
    replace(_INDIAN, org_id="independent", name="", stack="google", independent_students=140, holidays=()),
    replace(
        _AMERICAN,
        org_id="platform",
        name="Platform operations",
        timezone="UTC",
        stack="platform",
        super_admins=4,
        holidays=(),
        exams=(),
        guardrails=False,
    ),
)
"""Twelve schools, learners without a school, and platform operators."""
