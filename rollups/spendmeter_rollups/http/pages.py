"""The `Link` header of a page (RFC 8288), with the reference of the next page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlencode

from annotated_types import Le
from pydantic import BaseModel

_LONGEST: Final = 2048
"""Proxies reject responses with long headers."""


def next_page(params: BaseModel, answer: BaseModel) -> Mapping[str, str]:
    """Return the parameters that differ on the page after `answer`; empty on the last page."""
    current, found = dict(params), dict(answer)
    if cursor := found.get("next_cursor"):
        return {"cursor": cursor}
    if "offset" not in current or not found.get("has_more"):
        return {}
    following = current["offset"] + current["limit"]
    bounds = type(params).model_fields["offset"].metadata
    # A page beyond the largest offset would be refused.
    allowed = all(following <= bound.le for bound in bounds if isinstance(bound, Le))
    return {"offset": str(following)} if allowed else {}


def link_header(parameters: Iterable[tuple[str, str]], following: Mapping[str, str]) -> dict[str, str]:
    """Return the header for the page with the parameters `following` changed.

    The reference is the query alone, relative to the request: neither Host nor the prefix of a proxy matters.
    """
    if not following:
        return {}
    kept = [(name, value) for name, value in parameters if name not in following]
    link = f'<?{urlencode([*kept, *following.items()])}>; rel="next"'
    return {"Link": link} if len(link) <= _LONGEST else {}
