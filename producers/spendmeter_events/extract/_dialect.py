"""How one provider speaks: reading a complete response, and folding a stream into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from spendmeter_events.extract._payload import is_stream
from spendmeter_events.extract.errors import InconsistentUsage
from spendmeter_events.extract.usage import Usage

Request = Mapping[str, object]
"""What was asked, as sent. Read for what a response does not tell (model, characters); never kept."""
Merged = dict[str, Any]
"""A response put together from chunks: what `read` needs, never text."""

FINISHED = "finished"
"""Set in `Merged` once the provider has said that the answer is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The functions that know one provider's payloads."""

    provider: str
    read: Callable[[object, Request, str], Usage]
    """(complete response, request, provider's name) → usage."""
    fold: Callable[[Merged, object], None]
    """Adds one chunk of a stream to what is known."""
    speaks: Callable[[object], bool]
    """Whether this chunk carries output: the first one ends the time to first token."""


class Collector:
    """Follows one stream chunk by chunk, keeping counts and names only."""

    def __init__(self, dialect: Dialect, *, request: Request | None = None, provider: str = "") -> None:
        self._dialect = dialect
        self._request: Request = request or {}
        self._provider = provider or dialect.provider
        self._merged: Merged = {}

    @property
    def finished(self) -> bool:
        """Whether the provider has said that its answer is complete."""
        return bool(self._merged.get(FINISHED))

    def add(self, chunk: object) -> None:
        """Takes the next chunk."""
        self._dialect.fold(self._merged, chunk)

    def usage(self) -> Usage:
        """What is known by now; state `aborted` before the end. Raises `InconsistentUsage`."""
        usage = self._dialect.read(self._merged, self._request, self._provider)
        return usage if self.finished else replace(usage, state="aborted")


def extract(dialect: Dialect, response: object, *, request: Request | None, provider: str = "") -> Usage:
    """The usage of a complete response, or of a list or iterator of its chunks.

    Raises `InconsistentUsage`, and whatever the iterator raises.
    """
    if not is_stream(response):
        return dialect.read(response, request or {}, provider or dialect.provider)
    collector = Collector(dialect, request=request, provider=provider)
    for chunk in response:
        collector.add(chunk)
    return collector.usage()


def known_usage(read: Callable[[], Usage]) -> Usage:
    """What `read` gives, or what is known of it: for a path that must not fail."""
    try:
        return read()
    except InconsistentUsage as error:
        return error.known
    except Exception:
        # A payload that no extractor expects tells nothing, and the call that it belongs to must not learn of it.
        return Usage(state="missing")
