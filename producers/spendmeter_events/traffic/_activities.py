"""Activities of a session: a conversation, a quiz, an evening of grading. Each consists of several calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from spendmeter_events.traffic._draw import slots
from spendmeter_events.traffic._hour import Hour
from spendmeter_events.traffic._sampler import SchoolSampler
from spendmeter_events.traffic._templates import Caller

Activity = Callable[[Hour, SchoolSampler, Caller, int], None]
"""(hour, sampler, caller, start in Unix ms). An activity takes less than an hour."""

_LONGEST_CONTEXT: Final = 12_000
"""Applications remove older turns before a conversation exceeds this many tokens."""


def converse(
    hour: Hour, sampler: SchoolSampler, caller: Caller, at: int, *, kind: str, lookup: str, share: int, turns: int
) -> None:
    """Add a conversation of up to `turns` turns. `share` out of 64 turns search the school's library first; these are
    answered by `rag` instead of `kind`."""
    bits = hour.random.getrandbits
    conversation = f',"conversation_id":"c-{bits(48):012x}"'
    plain, grounded = sampler.template(kind, place := bits(6)), sampler.template("rag", place)
    context = 0
    for turn in range(1 + int(turns * hour.random.random() ** 1.7)):
        if sampler.school.guardrails:
            at, _ = hour.tokens(sampler.template("guard", bits(6)), caller, at, conversation)
        answers = plain
        if bits(6) < share:
            at, _ = hour.tokens(sampler.template(lookup, bits(6)), caller, at, conversation)
            answers = grounded
        at, added = hour.tokens(answers, caller, at, conversation, context)
        if turn == 0:
            hour.tokens(sampler.template("title", bits(6)), caller, at, conversation)
        context = min(context + added, _LONGEST_CONTEXT)
        at += 12_000 + bits(16)


def repeat(
    hour: Hour, sampler: SchoolSampler, caller: Caller, at: int, *, kind: str, most: int, pause: int, least: int = 1
) -> None:
    """Add `least` to `most` calls of one kind with one model, about `pause` milliseconds apart."""
    template = sampler.template(kind, hour.random.getrandbits(6))
    for _ in range(least + int((most - least + 1) * hour.random.random())):
        at, _ = hour.tokens(template, caller, at)
        at += int(pause * (0.5 + hour.random.random()))


def read_aloud(
    hour: Hour, sampler: SchoolSampler, caller: Caller, at: int, *, kind: str, voice: str, most: int
) -> None:
    """Add the generation of an exercise, and the speech of 1 to `most` of its parts."""
    bits = hour.random.getrandbits
    at, _ = hour.tokens(sampler.template(kind, bits(6)), caller, at)
    template = sampler.template(voice, bits(6))
    for _ in range(1 + int(most * hour.random.random())):
        at = hour.units(template, caller, at) + 1500 + bits(12)


def speak(hour: Hour, sampler: SchoolSampler, caller: Caller, at: int) -> None:
    """Add a speaking practice: transcription, evaluation and spoken response."""
    bits = hour.random.getrandbits
    conversation = f',"conversation_id":"c-{bits(48):012x}"'
    voice, coach = sampler.template("speak", bits(6)), sampler.template("coach", bits(6))
    context = 0
    for _ in range(2 + bits(2)):
        at = hour.units(sampler.template("listen", bits(6)), caller, at, conversation)
        at, added = hour.tokens(coach, caller, at, conversation, context)
        at = hour.units(voice, caller, at, conversation) + 8000 + bits(13)
        context += added


def write_module(hour: Hour, sampler: SchoolSampler, caller: Caller, at: int) -> None:
    """Add the generation of a module, often with illustrations."""
    bits = hour.random.getrandbits
    at, _ = hour.tokens(sampler.template("module", bits(6)), caller, at)
    for _ in range(bits(1) + bits(1)):
        at = hour.units(sampler.template("draw", bits(6)), caller, at + 20_000)


def translate(hour: Hour, sampler: SchoolSampler, caller: Caller, at: int) -> None:
    """Add the translation of a notice to one or two languages."""
    bits = hour.random.getrandbits
    for _ in range(1 + bits(1)):
        at = hour.units(sampler.template("translate", bits(6)), caller, at) + 4000


def upload(hour: Hour, sampler: SchoolSampler, caller: Caller, at: int) -> None:
    """Add the indexing of documents: complete, then by section."""
    repeat(hour, sampler, caller, at, kind="index", most=8, pause=1200)
    repeat(hour, sampler, caller, at + 30_000, kind="sections", most=5, pause=900)


_TUTOR: Final = partial(converse, kind="chat", lookup="query", share=38, turns=8)
_ASSISTANT: Final = partial(converse, kind="chat", lookup="search", share=24, turns=6)
_FAMILY: Final = partial(converse, kind="chat", lookup="search", share=6, turns=4)
_GRADE: Final = partial(repeat, kind="grade", least=5, most=16, pause=6000)
_LEARNER: Final[tuple[tuple[Activity, float], ...]] = (
    (_TUTOR, 0.44),
    (partial(read_aloud, kind="vocabulary", voice="word", most=5), 0.13),
    (partial(repeat, kind="quiz", most=3, pause=90_000), 0.12),
    (partial(read_aloud, kind="reading", voice="passage", most=2), 0.07),
    (partial(repeat, kind="matching", most=2, pause=60_000), 0.06),
    (partial(repeat, kind="sentences", most=2, pause=60_000), 0.06),
    (partial(repeat, kind="photo", most=2, pause=50_000), 0.06),
    (speak, 0.06),
)

ACTIVITIES: Final[dict[str, tuple[Activity, ...]]] = {
    "student": slots(_LEARNER),
    "independent_student": slots(_LEARNER),
    "teacher": slots(
        [
            (_ASSISTANT, 0.22),
            (_GRADE, 0.17),
            (partial(repeat, kind="test", most=3, pause=45_000), 0.17),
            (partial(repeat, kind="lesson", most=2, pause=80_000), 0.15),
            (write_module, 0.09),
            (translate, 0.08),
            (partial(repeat, kind="curriculum", most=1, pause=0), 0.04),
            (upload, 0.05),
            (partial(repeat, kind="student", most=3, pause=4000), 0.03),
        ]
    ),
    "admin": slots(
        [
            (_ASSISTANT, 0.45),
            (translate, 0.2),
            (upload, 0.15),
            (partial(repeat, kind="teacher", most=3, pause=5000), 0.12),
            (partial(repeat, kind="curriculum", most=1, pause=0), 0.08),
        ]
    ),
    "super_admin": slots([(_ASSISTANT, 0.85), (partial(repeat, kind="teacher", most=2, pause=5000), 0.15)]),
    "parent": slots([(_FAMILY, 0.6), (partial(repeat, kind="student", most=1, pause=0), 0.25), (translate, 0.15)]),
}
"""Role → 64 equally likely activities."""


def night(hour: Hour, sampler: SchoolSampler, *, local_hour: int, weekday: int, growth: float) -> None:
    """Add the system's scheduled calls at night, in the school's local time."""
    school, draw = sampler.school, hour.random.random
    at = hour.start + int(draw() * 900_000)
    if local_hour == 1 and school.students:
        count = int(school.students * 0.10 * growth * (0.8 + 0.4 * draw()))
        repeat(hour, sampler, sampler.system, at, kind="student", least=count, most=count, pause=2500)
    elif local_hour == 2 and school.teachers and weekday == 6:
        repeat(
            hour, sampler, sampler.system, at, kind="teacher", least=school.teachers, most=school.teachers, pause=2500
        )
    elif local_hour == 3 and school.students:
        repeat(hour, sampler, sampler.system, at, kind="index", least=2, most=6, pause=1500)
        repeat(hour, sampler, sampler.system, at + 60_000, kind="sections", most=3, pause=1500)
    elif local_hour == 4 and school.teachers and weekday == 0:
        repeat(hour, sampler, sampler.system, at, kind="curriculum", most=2, pause=60_000)
