"""Generate the people of each school. They depend only on the seed."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from spendmeter_events.traffic._schools import School

_FIRST: Final = {
    "india": "Aarav Aditi Aditya Ananya Anika Arjun Diya Farhan Ishaan Ishita Kabir Kavya Krishna Lakshmi Meera "
    "Mohammed Nandini Neha Nikhil Pooja Pranav Priya Rahul Riya Rohan Saanvi Sanjay Sneha Tanvi Varun Vikram Zoya",
    "nepal": "Aakash Anisha Asmita Bibek Binita Bishal Deepak Gita Kamala Kiran Manish Mina Nabin Nirmala Niraj "
    "Prakash Pratima Rabin Ramesh Sabina Sagar Sarita Sita Sujan Sunita Suresh Sushila Umesh",
    "west": "Amelia Ben Carla Chloe Daniel David Elena Emma Felix Grace Hannah Inês Jack João Jonas Laura Leon Lena "
    "Liam Lucas Maria Maya Mia Noah Olivia Omar Paula Sarah Sofia Tiago Tom Yara",
}
_LAST: Final = {
    "india": "Agarwal Banerjee Bose Chatterjee Desai Fernandes Ghosh Gupta Iyer Jain Joshi Kapoor Khan Kulkarni "
    "Kumar Mehta Menon Mishra Nair Patel Pillai Rao Reddy Sen Sharma Singh Srinivasan Verma",
    "nepal": "Adhikari Basnet Bhandari Chaudhary Gurung Karki Khadka Lama Magar Maharjan Poudel Rai Shakya Sherpa "
    "Shrestha Subedi Tamang Thapa",
    "west": "Almeida Bauer Brooks Carter Costa Ferreira Fischer Garcia Haddad Hoffmann Johnson Keller Lopez Martin "
    "Miller Müller Nguyen Oliveira Parker Richter Santos Schmidt Silva Smith Taylor Wagner Walker Weber",
}
_CLIENTS: Final = {
    "student": ("android", "android", "web", "ios"),
    "independent_student": ("android", "ios", "web"),
    "teacher": ("web", "web", "android"),
    "parent": ("android", "ios"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user; `weight` is the user's share of the activity of the role."""

    org_id: str
    user_id: str
    name: str
    email: str
    role: str
    class_name: str
    section: str
    client: str
    weight: float


def people(school: School, seed: int) -> Iterator[Person]:
    """Yield all users of a school, in a fixed order."""
    draw = random.Random(f"people/{seed}/{school.org_id}")
    number = 0
    for role, count in _roles(school):
        for place in range(count):
            number += 1
            yield _person(school, draw, role, place, number)


def _roles(school: School) -> Iterator[tuple[str, int]]:
    yield "super_admin", school.super_admins
    yield "admin", school.admins
    yield "teacher", school.teachers
    yield "student", school.students
    yield "independent_student", school.independent_students
    yield "parent", school.parents


def _person(school: School, draw: random.Random, role: str, place: int, number: int) -> Person:
    first = _pick(draw, _FIRST[school.names].split())
    last = _pick(draw, _LAST[school.names].split())
    grade = school.grades[place % len(school.grades)]
    section = school.sections[place // len(school.grades) % len(school.sections)]
    is_student = role == "student"
    return Person(
        org_id=school.org_id,
        user_id=f"{_PREFIX[role]}-{school.org_id.partition('-')[0]}-{number:03d}",
        name=f"{first} {last}",
        email=f"{_ascii(first)}.{_ascii(last)}{number}@{school.org_id}.example",
        role=role,
        class_name=f"Class {grade}" if is_student else "",
        section=section if is_student else "",
        client=_pick(draw, _CLIENTS.get(role, ("web",))),
        # Pareto: a few users cause much of the traffic. Capped, so that none looks like an incident.
        weight=min(14.0, (1 - draw.random()) ** -0.55),
    )


_PREFIX: Final = {
    "super_admin": "ops",
    "admin": "adm",
    "teacher": "tch",
    "student": "stu",
    "independent_student": "ind",
    "parent": "par",
}


def _pick(draw: random.Random, choices: tuple[str, ...] | list[str]) -> str:
    return choices[int(draw.random() * len(choices))]


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z]", "", plain)
