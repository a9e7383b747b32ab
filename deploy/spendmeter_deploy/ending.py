"""Stop a process: in order and within a time limit after the first SIGINT or SIGTERM, immediately after a later one.

Clean-up can hang on an unreachable broker or store, or on a thread inside a driver. A watchdog thread limits it,
because the event loop itself may hang. When the limit is reached, the process logs what is stuck and exits.
docs/stopping.md has the contract.
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

log = logging.getLogger(__name__)

UNFINISHED: Final = 1
"""Exit code of a process that stopped with work lost or unfinished."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
MARGIN_SECONDS: Final = 3.0
"""Grace period after the time limit, so that parts with a limit of their own can report first."""
REPEAT_SECONDS: Final = 1.0
"""Signals within this time of the first belong to it: `timeout` and process groups deliver one stop several times."""
_EXIT_SECONDS: Final = 2.0
_MAX_NAMES: Final = 12
_COROUTINE: Final = re.compile(r"coroutine object (\S+) at")


class Ending:
    """The shutdown of one process. `running.run` creates it; the parts of the process report unfinished work to it."""

    def __init__(self, *, seconds: float = 20.0, serves: bool = False) -> None:
        self.seconds = seconds
        """Time limit of the whole stop."""
        self._serves = serves
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._stop_event: asyncio.Event | None = None
        self._clock = threading.Condition()
        self._deadline: float | None = None
        self._watching = False
        self._abort_hooks: list[Callable[[], object]] = []
        self.signal: int | None = None
        """The first signal received, if any."""
        self._signalled_at = 0.0
        self.unfinished: list[str] = []
        """Descriptions of work that was lost or left unfinished."""

    @property
    def exit_code(self) -> int:
        """Exit code of a cancelled command: 0 if it serves and finished everything that it had begun."""
        if self._serves or self.signal is None:
            return UNFINISHED if self.unfinished else 0
        return 128 + self.signal

    def add_unfinished(self, what: str) -> None:
        """Log and record that `what` is lost or unfinished; the process will exit with 1."""
        log.error("%s", what)
        self.unfinished.append(what)

    def at_abort(self, hook: Callable[[], object]) -> None:
        """Call `hook` before the process exits without clean-up, for example to kill a child process."""
        self._abort_hooks.append(hook)

    async def stop_requested(self) -> None:
        """Wait for SIGINT or SIGTERM. If nothing waits here, a signal cancels the command instead."""
        self._stop_event = self._stop_event or asyncio.Event()
        if self.signal is not None:
            return
        await self._stop_event.wait()

    def begin(self, seconds: float | None = None) -> None:
        """Start the clock: the process ends within `seconds` plus a margin. Later calls can only shorten the limit."""
        limit = time.monotonic() + (self.seconds if seconds is None else seconds) + MARGIN_SECONDS
        with self._clock:
            self._deadline = limit if self._deadline is None else min(limit, self._deadline)
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="ending", daemon=True).start()
            self._clock.notify()

    def restart_clock(self) -> None:
        """Restart the clock, because the stop makes progress."""
        with self._clock:
            if self._deadline is not None:
                self._deadline = time.monotonic() + self.seconds + MARGIN_SECONDS

    def stop_clock(self) -> None:
        """Stop the clock."""
        with self._clock:
            self._deadline = None
            self._clock.notify()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM for the current task until the block ends."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        # Not loop.add_signal_handler: a second signal must work while the loop hangs in a blocking call.
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
        """Log what is stuck and exit without clean-up."""
        # Logging may hang too, on a full pipe that nothing reads.
        watchdog = threading.Timer(_EXIT_SECONDS, os._exit, (self._abort_code(),))
        watchdog.daemon = True
        watchdog.start()
        stuck = ", ".join(self._stuck()) or "nothing named"
        log.error("%s; exiting without waiting for: %s", reason, stuck)
        self._exit(self._abort_code())

    def leave(self, code: int) -> None:
        """Exit with `code`, even if a thread inside a driver never returns."""
        deadline = time.monotonic() + _EXIT_SECONDS
        while (threads := busy_threads()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if threads:
            log.warning("exiting without waiting for: %s", ", ".join(threads))
            self._exit(code)

    def _on_thread_error(self, args: threading.ExceptHookArgs) -> None:
        # During a stop, library threads fail on closed clients: log one line without a traceback.
        error = None if self._deadline is not None else args.exc_value
        name = args.thread.name if args.thread else "unknown"
        log.error("thread %s ended: %s: %s", name, args.exc_type.__name__, args.exc_value, exc_info=error)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            if time.monotonic() - self._signalled_at <= REPEAT_SECONDS:
                return
            # Not `sys.stderr`: this thread may be inside a write to it.
            os.write(2, b"spendmeter: second signal received; exiting immediately\n")
            self._exit(128 + number)
        # In this order: the next signal may interrupt this handler.
        self._signalled_at = time.monotonic()
        self.signal = number
        self.begin()
        if self._loop is not None:
            with suppress(RuntimeError):  # The loop is closed: the process is exiting.
                self._loop.call_soon_threadsafe(self._request_stop)

    def _request_stop(self) -> None:
        if self.signal is not None:
            name = signal.Signals(self.signal).name
            log.info("%s received; stopping within %g s, or immediately on a second signal", name, self.seconds)
        if self._stop_event is not None:
            self._stop_event.set()
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
        # A signal handler must not wait for an import: only what the process has loaded can be under way.
        retry = sys.modules.get("spendmeter_stream.retry")
        steps = retry.steps_under_way() if retry is not None else []
        names = list(dict.fromkeys([*steps, *self._tasks(), *busy_threads()]))
        return names[:_MAX_NAMES] + ([f"and {len(names) - _MAX_NAMES} more"] if len(names) > _MAX_NAMES else [])

    def _tasks(self) -> Iterator[str]:
        if self._loop is not None:
            for task in asyncio.all_tasks(self._loop):
                yield f"task {task_name(task)}"

    def _abort_code(self) -> int:
        return UNFINISHED if self._serves or self._stop_event is not None or self.signal is None else 128 + self.signal

    def _exit(self, code: int) -> None:
        for hook in self._abort_hooks:
            with suppress(Exception):
                hook()
        with suppress(Exception):
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


_ending = Ending()


def current_ending() -> Ending:
    """Return the ending of this process."""
    return _ending


def new_ending(*, seconds: float, serves: bool) -> Ending:
    """Create the ending of a new command whose stop takes at most `seconds`.

    :param serves: the command runs until it is stopped, so a signal is its normal end.
    """
    global _ending
    _ending = Ending(seconds=seconds, serves=serves)
    return _ending


@contextmanager
def leaving_in_time() -> Iterator[None]:
    """Exit with the code of the block, even if a thread inside a driver would keep the interpreter alive."""
    try:
        yield
    except SystemExit as exit_:
        current_ending().leave(exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None))
        raise


def task_name(task: asyncio.Task[Any]) -> str:
    """Return the name of `task`, or of its coroutine if it was not named."""
    name = task.get_name()
    if found := _COROUTINE.search(name):
        return found[1]
    return getattr(task.get_coro(), "__qualname__", name) if name.startswith("Task-") else name


def busy_threads() -> list[str]:
    """Return the threads that keep the interpreter alive. Idle executor threads do not."""
    frames = sys._current_frames()
    return [
        f"thread {thread.name}"
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread() and not _idle(frames.get(thread.ident or 0))
    ]


def _idle(frame: FrameType | None) -> bool:
    return frame is None or (frame.f_code.co_name == "_worker" and frame.f_code.co_filename.endswith("thread.py"))
