"""What people do in one sitting: a conversation, a quiz, an evening of grading. Each makes several calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from spendmeter_events.traffic._cast import Cast
from spendmeter_events.traffic._draw import slots
from spendmeter_events.traffic._hour import Hour
from spendmeter_events.traffic._lines import Caller

Scene = Callable[[Hour, Cast, Caller, int], None]
"""(hour, cast, who acts, Unix ms at which it begins). A scene is over in less than an hour."""

_LONGEST_CONTEXT: Final = 12_000
"""Applications cut older turns out of a conversation before it grows beyond this."""


def converse(
    hour: Hour, cast: Cast, caller: Caller, at: int, *, kind: str, lookup: str, share: int, turns: int
) -> None:
    """A conversation of up to `turns` turns. `share` out of 64 of them look something up in the school's library
    first, and then `rag` answers instead of `kind`."""
    bits = hour.random.getrandbits
    talk = f',"conversation_id":"c-{bits(48):012x}"'
    plain, grounded = cast.line(kind, place := bits(6)), cast.line("rag", place)
    context = 0
    for turn in range(1 + int(turns * hour.random.random() ** 1.7)):
        if cast.school.guardrails:
            at, _ = hour.tokens(cast.line("guard", bits(6)), caller, at, talk)
        answers = plain
        if bits(6) < share:
            at, _ = hour.tokens(cast.line(lookup, bits(6)), caller, at, talk)
            answers = grounded
        at, grown = hour.tokens(answers, caller, at, talk, context)
        if turn == 0:
            hour.tokens(cast.line("title", bits(6)), caller, at, talk)
        context = min(context + grown, _LONGEST_CONTEXT)
        at += 12_000 + bits(16)


def repeat(
    hour: Hour, cast: Cast, caller: Caller, at: int, *, kind: str, most: int, pause: int, least: int = 1
) -> None:
    """`least` to `most` calls of one kind, about `pause` milliseconds apart, with one model."""
    line = cast.line(kind, hour.random.getrandbits(6))
    for _ in range(least + int((most - least + 1) * hour.random.random())):
        at, _ = hour.tokens(line, caller, at)
        at += int(pause * (0.5 + hour.random.random()))


def read_aloud(hour: Hour, cast: Cast, caller: Caller, at: int, *, kind: str, voice: str, most: int) -> None:
    """An exercise is made, and 1 to `most` parts of it are read out."""
    bits = hour.random.getrandbits
    at, _ = hour.tokens(cast.line(kind, bits(6)), caller, at)
    line = cast.line(voice, bits(6))
    for _ in range(1 + int(most * hour.random.random())):
        at = hour.units(line, caller, at) + 1500 + bits(12)


def speak(hour: Hour, cast: Cast, caller: Caller, at: int) -> None:
    """Speaking practice: what the learner says is written down, judged and answered aloud."""
    bits = hour.random.getrandbits
    talk = f',"conversation_id":"c-{bits(48):012x}"'
    voice, coach = cast.line("speak", bits(6)), cast.line("coach", bits(6))
    context = 0
    for _ in range(2 + bits(2)):
        at = hour.units(cast.line("listen", bits(6)), caller, at, talk)
        at, grown = hour.tokens(coach, caller, at, talk, context)
        at = hour.units(voice, caller, at, talk) + 8000 + bits(13)
        context += grown


def write_module(hour: Hour, cast: Cast, caller: Caller, at: int) -> None:
    """A module is written, and often illustrated."""
    bits = hour.random.getrandbits
    at, _ = hour.tokens(cast.line("module", bits(6)), caller, at)
    for _ in range(bits(1) + bits(1)):
        at = hour.units(cast.line("draw", bits(6)), caller, at + 20_000)


def translate(hour: Hour, cast: Cast, caller: Caller, at: int) -> None:
    """A notice goes into one or two languages."""
    bits = hour.random.getrandbits
    for _ in range(1 + bits(1)):
        at = hour.units(cast.line("translate", bits(6)), caller, at) + 4000


def upload(hour: Hour, cast: Cast, caller: Caller, at: int) -> None:
    """Documents go into the library: whole, and then by section."""
    repeat(hour, cast, caller, at, kind="index", most=8, pause=1200)
    repeat(hour, cast, caller, at + 30_000, kind="sections", most=5, pause=900)


_TUTOR: Final = partial(converse, kind="chat", lookup="query", share=38, turns=8)
_ASSISTANT: Final = partial(converse, kind="chat", lookup="search", share=24, turns=6)
_FAMILY: Final = partial(converse, kind="chat", lookup="search", share=6, turns=4)
_GRADE: Final = partial(repeat, kind="grade", least=5, most=16, pause=6000)
_LEARNER: Final[tuple[tuple[Scene, float], ...]] = (
    (_TUTOR, 0.44),
    (partial(read_aloud, kind="vocabulary", voice="word", most=5), 0.13),
    (partial(repeat, kind="quiz", most=3, pause=90_000), 0.12),
    (partial(read_aloud, kind="reading", voice="passage", most=2), 0.07),
    (partial(repeat, kind="matching", most=2, pause=60_000), 0.06),
    (partial(repeat, kind="sentences", most=2, pause=60_000), 0.06),
    (partial(repeat, kind="photo", most=2, pause=50_000), 0.06),
    (speak, 0.06),
)

SCENES: Final[dict[str, tuple[Scene, ...]]] = {
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
"""Role → 64 equally likely places that hold its scenes."""


def night(hour: Hour, cast: Cast, *, local_hour: int, weekday: int, growth: float) -> None:
    """What the system does by itself while a school sleeps, at the school's own hours."""
    school, draw = cast.school, hour.random.random
    at = hour.start + int(draw() * 900_000)
    if local_hour == 1 and school.students:
        count = int(school.students * 0.10 * growth * (0.8 + 0.4 * draw()))
        repeat(hour, cast, cast.system, at, kind="student", least=count, most=count, pause=2500)
    elif local_hour == 2 and school.teachers and weekday == 6:
        repeat(hour, cast, cast.system, at, kind="teacher", least=school.teachers, most=school.teachers, pause=2500)
    elif local_hour == 3 and school.students:
        repeat(hour, cast, cast.system, at, kind="index", least=2, most=6, pause=1500)
        repeat(hour, cast, cast.system, at + 60_000, kind="sections", most=3, pause=1500)
    elif local_hour == 4 and school.teachers and weekday == 0:
        repeat(hour, cast, cast.system, at, kind="curriculum", most=2, pause=60_000)
