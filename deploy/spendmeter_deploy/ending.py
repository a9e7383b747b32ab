"""How a process ends: in order and in time after the first SIGINT or SIGTERM, at once after the second.

Clean-up may hang on anything that is away: a broker, a store, a thread inside a driver. So a clock runs from the
moment the stop begins, in a thread of its own, because the event loop may be what hangs. When it runs out, the process
logs what is stuck and exits. docs/stopping.md has the contract.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

from spendmeter_stream.retry import steps_under_way

log = logging.getLogger(__name__)

UNDONE: Final = 1
"""Exit code of a process that stopped and left something undone."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
MARGIN_SECONDS: Final = 3.0
"""How long after its time a stop is given up: parts that are bounded themselves shall report first."""
_LEAVE_SECONDS: Final = 2.0
_NAMED: Final = 12
_COROUTINE: Final = re.compile(r"coroutine object (\S+) at")


class Ending:
    """The end of one process. Made by `running.run`; parts of the process report here what they could not finish."""

    def __init__(self, *, seconds: float = 20.0, serves: bool = False) -> None:
        self.seconds = seconds
        """How long the whole stop may take."""
        self._serves = serves
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._told: asyncio.Event | None = None
        self._clock = threading.Condition()
        self._deadline: float | None = None
        self._watching = False
        self._last_acts: list[Callable[[], object]] = []
        self.signal: int | None = None
        """The first signal, if any came."""
        self.undone: list[str] = []
        """What was lost or left undone, one text each."""

    @property
    def exit_code(self) -> int:
        """Of a command that was cancelled: 0 where it serves and has finished all that it had begun."""
        if self._serves or self.signal is None:
            return UNDONE if self.undone else 0
        return 128 + self.signal

    def leave_undone(self, what: str) -> None:
        """Record that `what` is lost or left undone: one log line, and the process will exit with 1."""
        log.error("%s", what)
        self.undone.append(what)

    def at_abort(self, act: Callable[[], object]) -> None:
        """Call `act` before the process exits without clean-up, such as one that kills a child process."""
        self._last_acts.append(act)

    async def told(self) -> None:
        """Return at SIGINT or SIGTERM. Without a caller here, a signal cancels the command."""
        self._told = self._told or asyncio.Event()
        if self.signal is not None:
            return
        await self._told.wait()

    def begin(self, seconds: float | None = None) -> None:
        """Start the clock: the process ends within `seconds` and a margin. A later call may only shorten that."""
        limit = time.monotonic() + (self.seconds if seconds is None else seconds) + MARGIN_SECONDS
        with self._clock:
            self._deadline = limit if self._deadline is None else min(limit, self._deadline)
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="ending", daemon=True).start()
            self._clock.notify()

    def progressed(self) -> None:
        """Start the clock again: what the stop waits for moves on."""
        with self._clock:
            if self._deadline is not None:
                self._deadline = time.monotonic() + self.seconds + MARGIN_SECONDS

    def ended(self) -> None:
        """Stop the clock."""
        with self._clock:
            self._deadline = None
            self._clock.notify()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM of the running task meanwhile."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        # Not through the loop: a second signal must work while the loop hangs in a blocking call.
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        threading.excepthook = self._on_thread_error
        try:
            yield
        finally:
            self._task = None
            if self.signal is None:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def abort(self, reason: str) -> None:
        """Exit now, without clean-up, with what is stuck in one log line."""
        # Writing the line may hang as well: on a pipe that nobody reads.
        last = threading.Timer(_LEAVE_SECONDS, os._exit, (self._abort_code(),))
        last.daemon = True
        last.start()
        stuck = ", ".join(self._stuck()) or "nothing that has a name"
        log.error("%s; exits without waiting for: %s", reason, stuck)
        self._exit(self._abort_code())

    def leave(self, code: int) -> None:
        """End the process with `code`, even where a thread inside a driver never returns."""
        deadline = time.monotonic() + _LEAVE_SECONDS
        while (threads := busy_threads()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if threads:
            log.warning("exits without waiting for an answer: %s", ", ".join(threads))
            self._exit(code)

    def _on_thread_error(self, args: threading.ExceptHookArgs) -> None:
        # While the process stops, threads of libraries meet clients that are closed already: that is worth one line.
        traceback = None if self._deadline is not None else (args.exc_type, args.exc_value, args.exc_traceback)
        name = args.thread.name if args.thread else "unknown"
        log.error(
            "thread %s ended: %s: %s",
            name,
            args.exc_type.__name__,
            args.exc_value,
            exc_info=traceback,  # type: ignore[arg-type]
        )

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            # Not through `sys.stderr`, which may be in the middle of a line of this very thread.
            os.write(2, b"spendmeter: stopped at once by a second signal\n")
            self._exit(128 + number)
        self.signal = number
        self.begin()
        if self._loop is not None:
            with suppress(RuntimeError):  # The loop is closed: the process ends already.
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if self.signal is not None:
            name = signal.Signals(self.signal).name
            log.info("%s received; stops within %g s, or at once at a second signal", name, self.seconds)
        if self._told is not None:
            self._told.set()
        elif self._task is not None:
            self._task.cancel()

    def _watch(self) -> None:
        with self._clock:
            while True:
                if self._deadline is None:
                    self._clock.wait()
                elif (left := self._deadline - time.monotonic()) > 0:
                    self._clock.wait(left)
                else:
                    break
        self.abort(f"the stop took longer than {self.seconds:g} s (SPENDMETER_STOP_TIMEOUT_SECONDS)")

    def _stuck(self) -> list[str]:
        names = list(dict.fromkeys([*steps_under_way(), *self._tasks(), *busy_threads()]))
        return names[:_NAMED] + ([f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else [])

    def _tasks(self) -> Iterator[str]:
        if self._loop is not None:
            for task in asyncio.all_tasks(self._loop):
                yield f"task {task_name(task)}"

    def _abort_code(self) -> int:
        return UNDONE if self._serves or self._told is not None or self.signal is None else 128 + self.signal

    def _exit(self, code: int) -> None:
        for act in self._last_acts:
            with suppress(Exception):
                act()
        with suppress(Exception):
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


_ending = Ending()


def current_ending() -> Ending:
    """The ending of this process."""
    return _ending


def new_ending(*, seconds: float, serves: bool) -> Ending:
    """Begin a command whose stop takes `seconds` at most.

    :param serves: the command has no end of its own, so that a signal is its success.
    """
    global _ending
    _ending = Ending(seconds=seconds, serves=serves)
    return _ending


@contextmanager
def leaving_in_time() -> Iterator[None]:
    """Exit with the block's own code, even where a thread inside a driver would keep the interpreter."""
    try:
        yield
    except SystemExit as exit_:
        current_ending().leave(exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None))
        raise


def task_name(task: asyncio.Task[Any]) -> str:
    """The name that was given to `task`, or that of its coroutine."""
    name = task.get_name()
    if found := _COROUTINE.search(name):
        return found[1]
    return getattr(task.get_coro(), "__qualname__", name) if name.startswith("Task-") else name


def busy_threads() -> list[str]:
    """Threads that would keep the interpreter from exiting. Idle threads of an executor do not."""
    frames = sys._current_frames()
    return [
        f"thread {thread.name}"
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread() and not _idle(frames.get(thread.ident or 0))
    ]


def _idle(frame: FrameType | None) -> bool:
    return frame is None or (frame.f_code.co_name == "_worker" and frame.f_code.co_filename.endswith("thread.py"))
