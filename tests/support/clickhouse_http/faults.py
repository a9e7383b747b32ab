"""Faults of the test server, switched on and off at run time, per statement.

    refuse    read the request, close the connection, execute nothing
    delay     wait before executing
    error     respond with an exception instead of executing
    cut       execute, then close the connection before the response
    truncate  execute, send half of the response, then close the connection
    stall     execute, send half of the response, wait, send the rest
    slow      execute, send the response in 16 pieces spread over the time

Clearing the faults ends all waits, so that tests do not depend on time.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Kind = Literal["refuse", "delay", "error", "cut", "truncate", "stall", "slow"]

_HEAD: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. It applies to statements that match the regular expression `match` (case-insensitive)."""

    kind: Kind
    match: str = ""
    skip: int = 0
    """Number of matching statements to skip first."""
    count: int | None = 1
    """Number of statements to affect; None for all until cleared."""
    seconds: float = 0.0
    code: int = 999
    """ClickHouse's error code for `error`. 999 is KEEPER_EXCEPTION, which a replicated cluster returns in an outage."""
    status: int = 500
    """HTTP status for `error`."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"no fault is called {self.kind!r}")
        re.compile(self.match)


class FaultPlan:
    """The active faults in the order of their addition. Used only on the server's event loop."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._cleared = asyncio.Event()
        self.fired: list[dict[str, Any]] = []

    def add(self, fault: Fault) -> None:
        """Switch `fault` on."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Remove all faults, end their waits, and reset the list of fired faults."""
        self._armed.clear()
        self.fired.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    def take(self, statement: bytes) -> Fault | None:
        """Return the fault that applies to `statement`: the first active one that matches and is due."""
        # Without quotes, which clients put around some names only.
        head = statement[:_HEAD].decode(errors="replace").replace("`", "")
        for armed in self._armed:
            if armed.meets(head):
                self.fired.append({"kind": armed.fault.kind, "statement": head[:200]})
                return armed.fault
        return None

    async def wait(self, seconds: float) -> None:
        """Wait until the time has passed or the faults are cleared."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._cleared.wait(), seconds)


class _Armed:
    """A fault and its remaining counts."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._pattern = re.compile(fault.match, re.IGNORECASE)
        self._skip = fault.skip
        self._left = fault.count

    def meets(self, head: str) -> bool:
        if self._left == 0 or not self._pattern.search(head):
            return False
        if self._skip > 0:
            self._skip -= 1
            return False
        if self._left is not None:
            self._left -= 1
        return True
