"""Redrive dead letters to the usage topic. A record that is still invalid is dead-lettered again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from mode.utils.times import rate_limit

from spendmeter_events.topics import USAGE
from spendmeter_stream.dlq.dead_letters import ATTEMPTS, DeadLetters
from spendmeter_stream.dlq.letters import DeadLetter, Filter
from spendmeter_stream.dlq.reading import dead_letters
from spendmeter_stream.settings import KafkaSettings

MAX_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RedrivePlan:
    """Which dead letters to redrive, and the limits of number, rate and attempts."""

    filter: Filter
    limit: int | None = None
    per_second: float = 100.0
    max_attempts: int = MAX_ATTEMPTS
    dry_run: bool = False


@dataclass(slots=True)
class RedriveOutcome:
    """Counts of a redrive."""

    sent: int = 0
    """Sent; in a dry run, to be sent."""
    codes: Counter[str] = field(default_factory=Counter)
    """`sent` by error code."""
    exhausted: int = 0
    """Skipped: dead-lettered `max_attempts` times or more."""
    truncated: int = 0
    """Skipped: only the beginning of the record was kept."""
    too_large: int = 0
    """Rejected by the usage topic's size limit."""


async def redrive_dead_letters(
    settings: KafkaSettings, plan: RedrivePlan, *, progress: Callable[[int], None] | None = None
) -> RedriveOutcome:
    """Publish the original key, bytes and headers, and add a header with the attempts so far.

    Content that was dead-lettered several times is sent once. An event that was stored in the meantime is
    deduplicated by its id.

    :param progress: called with the number of records sent.
    :raises SetupError: the dead-letter topic cannot be read.
    :raises KafkaError: a broker does not answer. Some records may be sent already; a second redrive is harmless.
    """
    newest = await _newest_of_each_content(settings)
    producer = DeadLetters.producer(settings.client_options())
    if not plan.dry_run:
        await producer.start()
    try:
        return await _send_all(settings, plan, newest, producer, progress)
    finally:
        await producer.stop()


async def _newest_of_each_content(settings: KafkaSettings) -> set[tuple[int, int]]:
    """Return the positions of the newest copy of each content. Takes about 200 bytes of memory for each."""
    newest: dict[bytes, tuple[int, int, int]] = {}
    async for letter in dead_letters(settings):
        mark = (letter.attempts, letter.partition, letter.offset)
        newest[letter.fingerprint] = max(mark, newest.get(letter.fingerprint, mark))
    return {(partition, offset) for _, partition, offset in newest.values()}


async def _send_all(
    settings: KafkaSettings,
    plan: RedrivePlan,
    newest: set[tuple[int, int]],
    producer: AIOKafkaProducer,
    progress: Callable[[int], None] | None,
) -> RedriveOutcome:
    outcome = RedriveOutcome()
    bucket = rate_limit(plan.per_second, 1.0)
    async for letter in dead_letters(settings):
        if outcome.sent == plan.limit:
            break
        if (letter.partition, letter.offset) not in newest or not plan.filter.matches(letter):
            continue
        if not _may_be_sent(letter, plan, outcome):
            continue
        if not plan.dry_run:
            await _token(bucket)
            if not await _send(producer, letter):
                outcome.too_large += 1
                continue
        outcome.sent += 1
        outcome.codes[letter.code] += 1
        if progress is not None:
            progress(outcome.sent)
    return outcome


def _may_be_sent(letter: DeadLetter, plan: RedrivePlan, outcome: RedriveOutcome) -> bool:
    if letter.truncated:
        outcome.truncated += 1
    elif letter.attempts >= plan.max_attempts:
        outcome.exhausted += 1
    else:
        return True
    return False


async def _send(producer: AIOKafkaProducer, letter: DeadLetter) -> bool:
    headers = [*letter.headers, (ATTEMPTS, str(letter.attempts).encode())]
    try:
        await producer.send_and_wait(USAGE, letter.value, key=letter.key, headers=headers)
    except MessageSizeTooLargeError:
        return False
    return True


async def _token(bucket: Any) -> None:
    # The bucket's own `async with` waits for a token without taking it, which doubles the rate.
    while not bucket.pour():  # noqa: ASYNC110 - there is no event to await
        await asyncio.sleep(bucket.expected_time())
