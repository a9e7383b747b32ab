"""Build the calls of one UTC hour, as the JSON that `UsageEvent.to_json` would return."""

from __future__ import annotations

import hashlib
import random
import struct
from datetime import UTC, datetime
from typing import Final

from spendmeter_events.traffic._draw import BITS, MASK
from spendmeter_events.traffic._failures import error_fragment
from spendmeter_events.traffic._templates import Caller, CallTemplate

HOUR_MS: Final = 3_600_000
TrafficRecord = tuple[bytes, bytes]
"""(key, value) of a Kafka record. Keys sort by time."""

_SECONDS: Final = tuple(f"{second // 60:02d}:{second % 60:02d}." for second in range(3600))
_MILLISECONDS: Final = tuple(f"{millisecond:03d}+00:00" for millisecond in range(1000))
_LOW: Final = (1 << 62) - 1
# Odd, so that its multiples run through all 2**62 ids of the hour before one repeats.
_STRIDE: Final = 0x1E37_79B9_7F4A_7C15
_WARM: Final = 26
"""Out of 64: how often another user's call has left the instructions in the provider's cache."""
_pack: Final = struct.Struct(">QQ").pack


class Hour:
    """The calls that start in one hour, unordered. Depends only on `seed` and the hour."""

    def __init__(self, *, hour: int, seed: str) -> None:
        self.start = hour * HOUR_MS
        """Unix milliseconds."""
        self.random = random.Random(f"{seed}/{hour}")
        self.calls: list[TrafficRecord] = []
        self._bits = self.random.getrandbits
        # The UUID version, and 74 bits that are unique to hour, seed and scale.
        digest = int.from_bytes(hashlib.sha256(f"{seed}/{hour}".encode()).digest()[:10])
        self._version = 0x7000 | digest >> 68
        self._id = digest & _LOW
        self._stamps = (_stamp(self.start), _stamp(self.start + HOUR_MS))

    def tokens(
        self, template: CallTemplate, caller: Caller, at: int, conversation: str = "", context: int = 0, times: int = 1
    ) -> tuple[int, int]:
        """Add a call measured in tokens, at `at` (Unix ms), after `context` tokens of `conversation`, with `times` the
        usual amount of text. Return its end, and the number of tokens added to the conversation.
        """
        bits, choice = self._bits(30), self._bits(30)
        amount = template.amounts[bits & MASK] * times
        noise = template.noise[bits >> BITS & MASK]
        prompt = _prompt(template, context, amount, choice & 63)
        outcome = choice >> 14
        if outcome < template.fails:
            return self._fail(template, caller, at, conversation, prompt, bits), 0
        answer, status, tags = template.answers[bits >> 2 * BITS], "", caller.tags
        if outcome >= template.completes:
            answer, status = answer // 3 + 1, ',"status":"cancelled"'
        reasoning = int(answer * template.reasoning * noise)
        first = int(template.first * noise) + amount // 50
        latency = first + int((answer + reasoning) * template.token * noise)
        usage = f'{prompt},"output_tokens":{answer + reasoning}' if answer else prompt
        if template.searches and choice >> 6 & 7 == 0:
            usage, tags = f'{usage},"tool_calls":1', caller.tags_with('"tool":"web_search"')
        if reasoning:
            usage = f'{usage},"reasoning_tokens":{reasoning}'
        rest = f"{usage}{template.tiers[choice >> 9 & 31]}{status}{_times(template, first, latency)}{tags}"
        self._write(template, caller, at, conversation, rest)
        return at + latency, amount + answer

    def units(self, template: CallTemplate, caller: Caller, at: int, conversation: str = "") -> int:
        """Add a call measured in characters, seconds of audio or images, at `at` (Unix ms). Return its end."""
        bits = self._bits(30)
        amount = template.amounts[bits & MASK]
        if self._bits(16) < template.fails:
            return self._fail(template, caller, at, conversation, "", bits)
        latency = int((template.first + template.token * amount) * template.noise[bits >> BITS & MASK])
        usage = _AMOUNT[template.measure](amount)
        tags = caller.tags_with(template.image_tags) if template.image_tags else caller.tags
        self._write(template, caller, at, conversation, f'{usage}{template.region},"latency_ms":{latency}{tags}')
        return at + latency

    def _fail(self, template: CallTemplate, caller: Caller, at: int, conversation: str, prompt: str, bits: int) -> int:
        failure = template.failures[bits & 63]
        latency = int(failure.latency * template.noise[bits >> BITS & MASK]) + 1
        usage = prompt if failure.uses_input else ""
        outcome = error_fragment(failure, template.model, bits % 1000)
        self._write(
            template, caller, at, conversation, f'{usage}{template.region}{outcome},"latency_ms":{latency}{caller.tags}'
        )
        return at + latency

    def _write(self, template: CallTemplate, caller: Caller, at: int, conversation: str, rest: str) -> None:
        self._id = low = (self._id + _STRIDE) & _LOW
        key = _pack(at << 16 | self._version, 1 << 63 | low)
        name = key.hex()
        tail = name[20:]
        second = (at - self.start) // 1000
        stamp = self._stamps[second // 3600]
        conversation = f'{conversation},"request_id":"{template.request}{tail}"' if template.request else conversation
        value = (
            f'{{"event_id":"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{tail}",'
            f'"occurred_at":"{stamp}{_SECONDS[second % 3600]}{_MILLISECONDS[at % 1000]}",'
            f"{caller.who}{template.what}{conversation}{template.how}{rest}}}"
        )
        self.calls.append((key, value.encode()))


_AMOUNT: Final = {
    "characters": ',"characters":{}'.format,
    "audio": lambda milliseconds: f',"audio_seconds":{milliseconds / 1000}',
    "images": ',"images":{}'.format,
}


def _prompt(template: CallTemplate, context: int, amount: int, chance: int) -> str:
    fixed = template.instructions + context
    if template.caches and fixed + amount >= 1024:
        if context or chance < _WARM:
            read = fixed // template.block * template.block
            return f',"input_tokens":{fixed + amount - read},"cache_read_tokens":{read}'
        if template.explicit:
            return f',"input_tokens":{amount},"{template.write}":{fixed}'
    return f',"input_tokens":{fixed + amount}'


def _times(template: CallTemplate, first: int, latency: int) -> str:
    if template.streamed:
        return f',"latency_ms":{latency},"ttft_ms":{first},"streamed":true'
    return f',"latency_ms":{latency}' if template.timed else ""


def _stamp(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:}"
