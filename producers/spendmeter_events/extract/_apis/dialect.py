"""Dialects: how to read a provider's complete response, and how to merge its stream into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from spendmeter_events.extract._sections.intermediaries import joined, part_usage, plain
from spendmeter_events.extract._sections.payload import is_stream
from spendmeter_events.extract.errors import InconsistentUsage
from spendmeter_events.extract.usage import Usage

Request = Mapping[str, object]
"""The request body: the model and the characters, which some responses omit. Never stored."""
Merged = dict[str, Any]
"""A response merged from chunks: the fields that `read` needs, never text."""

FINISHED = "finished"
"""Key set in `Merged` when the provider marks the response as complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The functions that read one provider's payloads."""

    provider: str
    read: Callable[[object, Request, str], Usage]
    """(complete response, request, provider name) → usage."""
    fold: Callable[[Merged, object], None]
    """Merge one chunk of a stream."""
    has_output: Callable[[object], bool]
    """Return whether a chunk carries output: the first such chunk sets the time to first token."""


class Collector:
    """Merge a stream chunk by chunk; only counts and names are stored."""

    def __init__(self, dialect: Dialect, *, request: Request | None = None, provider: str = "") -> None:
        self._dialect = dialect
        self._request: Request = request or {}
        self._provider = provider or dialect.provider
        self._merged: Merged = {}

    @property
    def finished(self) -> bool:
        """Whether the provider marked the response as complete."""
        return bool(self._merged.get(FINISHED))

    def add(self, chunk: object) -> None:
        """Merge the next chunk."""
        self._dialect.fold(self._merged, chunk)

    def usage(self) -> Usage:
        """Return the usage so far; its state is `aborted` before the end. Raises `InconsistentUsage`."""
        try:
            usage = self._dialect.read(self._merged, self._request, self._provider)
        except InconsistentUsage as error:
            if not self.finished and error.known.state != "inconsistent":
                error.known = replace(error.known, state="aborted")
            raise
        return usage if self.finished else replace(usage, state="aborted")


def extract(
    dialect: Dialect, response: object, *, request: Request | None, provider: str = "", strict: bool = False
) -> Usage:
    """Return the usage of a complete response, or of a list or iterator of its chunks.

    Raises the exceptions of the iterator, and with `strict` `InconsistentUsage`.
    """
    collector = Collector(dialect, request=request, provider=provider)
    parts: list[Merged] = []
    for chunk in response if is_stream(response) else ():
        if (part := part_usage(chunk)) is None:
            collector.add(chunk)
        else:
            parts.append(part)
    if is_stream(response) and not parts:
        return lenient(collector.usage, strict)
    body = joined(parts) if parts else plain(response)
    return lenient(lambda: dialect.read(body, request or {}, provider or dialect.provider), strict)


def lenient(read: Callable[[], Usage], strict: bool) -> Usage:
    """Return the result of `read`; on faults its certain part, or with `strict` raise `InconsistentUsage`."""
    try:
        return read()
    except InconsistentUsage as error:
        if strict:
            raise
        return error.known


def known_usage(read: Callable[[], Usage]) -> Usage:
    """Return the result of `read`, or its certain part if it fails. Never raises."""
    try:
        return read()
    except InconsistentUsage as error:
        return error.known
    except Exception:
        # An unexpected payload must not break the metered call.
        return Usage(state="missing")
