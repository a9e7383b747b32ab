"""Writes the calls of one UTC hour, each as the JSON that `UsageEvent.to_json` would give."""

from __future__ import annotations

import hashlib
import random
import struct
from datetime import UTC, datetime
from typing import Final

from spendmeter_events.traffic._draw import BITS, MASK
from spendmeter_events.traffic._faults import said
from spendmeter_events.traffic._lines import Caller, Line

HOUR_MS: Final = 3_600_000
Call = tuple[bytes, bytes]
"""(key, value) of a Kafka record. Keys sort by time."""

_SECONDS: Final = tuple(f"{second // 60:02d}:{second % 60:02d}." for second in range(3600))
_MILLISECONDS: Final = tuple(f"{millisecond:03d}+00:00" for millisecond in range(1000))
_LOW: Final = (1 << 62) - 1
# Odd, so that its multiples visit all 2**62 ids of the hour before one comes again.
_STRIDE: Final = 0x1E37_79B9_7F4A_7C15
_WARM: Final = 26
"""Out of 64, how often someone else's call has left the instructions in the provider's cache."""
_pack: Final = struct.Struct(">QQ").pack


class Hour:
    """The calls that begin in one hour, in no order. Everything in it follows from `seed` and the hour."""

    def __init__(self, *, hour: int, seed: str) -> None:
        self.start = hour * HOUR_MS
        """Unix milliseconds."""
        self.random = random.Random(f"{seed}/{hour}")
        self.calls: list[Call] = []
        self._bits = self.random.getrandbits
        # The version, and then 74 bits that no other hour, seed or scale shares.
        digest = int.from_bytes(hashlib.sha256(f"{seed}/{hour}".encode()).digest()[:10])
        self._version = 0x7000 | digest >> 68
        self._id = digest & _LOW
        self._stamps = (_stamp(self.start), _stamp(self.start + HOUR_MS))

    def tokens(
        self, line: Line, caller: Caller, at: int, talk: str = "", context: int = 0, times: int = 1
    ) -> tuple[int, int]:
        """A call measured in tokens, at `at` (Unix ms), in the conversation `talk` after `context` tokens of it,
        with `times` the usual amount of text. Gives when it ends, and by how many tokens the conversation grew.
        """
        bits, choice = self._bits(30), self._bits(30)
        amount = line.amounts[bits & MASK] * times
        noise = line.noise[bits >> BITS & MASK]
        prompt = _prompt(line, context, amount, choice & 63)
        outcome = choice >> 14
        if outcome < line.fails:
            return self._fail(line, caller, at, talk, prompt, bits), 0
        answer, status, tags = line.answers[bits >> 2 * BITS], "", caller.tags
        if outcome >= line.completes:
            answer, status = answer // 3 + 1, ',"status":"cancelled"'
        thought = int(answer * line.reasoning * noise)
        first = int(line.first * noise) + amount // 50
        latency = first + int((answer + thought) * line.token * noise)
        usage = f'{prompt},"output_tokens":{answer + thought}' if answer else prompt
        if line.searches and choice >> 6 & 7 == 0:
            usage, tags = f'{usage},"tool_calls":1', caller.tagged('"tool":"web_search"')
        if thought:
            usage = f'{usage},"reasoning_tokens":{thought}'
        rest = f"{usage}{line.tiers[choice >> 9 & 31]}{status}{_times(line, first, latency)}{tags}"
        self._write(line, caller, at, talk, rest)
        return at + latency, amount + answer

    def units(self, line: Line, caller: Caller, at: int, talk: str = "") -> int:
        """A call measured in characters, seconds of audio or images, at `at` (Unix ms). Gives when it ends."""
        bits = self._bits(30)
        amount = line.amounts[bits & MASK]
        if self._bits(16) < line.fails:
            return self._fail(line, caller, at, talk, "", bits)
        latency = int((line.first + line.token * amount) * line.noise[bits >> BITS & MASK])
        usage = _AMOUNT[line.measure](amount)
        tags = caller.tagged(line.picture) if line.picture else caller.tags
        self._write(line, caller, at, talk, f'{usage}{line.region},"latency_ms":{latency}{tags}')
        return at + latency

    def _fail(self, line: Line, caller: Caller, at: int, talk: str, prompt: str, bits: int) -> int:
        fault = line.faults[bits & 63]
        latency = int(fault.latency * line.noise[bits >> BITS & MASK]) + 1
        usage = prompt if fault.uses_input else ""
        outcome = said(fault, line.model, bits % 1000)
        self._write(line, caller, at, talk, f'{usage}{line.region}{outcome},"latency_ms":{latency}{caller.tags}')
        return at + latency

    def _write(self, line: Line, caller: Caller, at: int, talk: str, rest: str) -> None:
        self._id = low = (self._id + _STRIDE) & _LOW
        key = _pack(at << 16 | self._version, 1 << 63 | low)
        name = key.hex()
        tail = name[20:]
        second = (at - self.start) // 1000
        stamp = self._stamps[second // 3600]
        talk = f'{talk},"request_id":"{line.request}{tail}"' if line.request else talk
        value = (
            f'{{"event_id":"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{tail}",'
            f'"occurred_at":"{stamp}{_SECONDS[second % 3600]}{_MILLISECONDS[at % 1000]}",'
            f"{caller.who}{line.what}{talk}{line.how}{rest}}}"
        )
        self.calls.append((key, value.encode()))


_AMOUNT: Final = {
    "characters": ',"characters":{}'.format,
    "audio": lambda milliseconds: f',"audio_seconds":{milliseconds / 1000}',
    "images": ',"images":{}'.format,
}


def _prompt(line: Line, context: int, amount: int, chance: int) -> str:
    fixed = line.instructions + context
    if line.caches and fixed + amount >= 1024:
        if context or chance < _WARM:
            read = fixed // line.block * line.block
            return f',"input_tokens":{fixed + amount - read},"cache_read_tokens":{read}'
        if line.explicit:
            return f',"input_tokens":{amount},"{line.write}":{fixed}'
    return f',"input_tokens":{fixed + amount}'


def _times(line: Line, first: int, latency: int) -> str:
    if line.streamed:
        return f',"latency_ms":{latency},"ttft_ms":{first},"streamed":true'
    return f',"latency_ms":{latency}' if line.timed else ""


def _stamp(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:}"
