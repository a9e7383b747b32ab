"""Cases of the price table: the usage of a call, and its cost by the page that publishes the price."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tests.support.price_table.pages import OPENAI
from tests.support.pricing import Call, M

HOUR = 3_600_000
"""Milliseconds of an hour."""


class Case(NamedTuple):
    """A call, its cost by component, and the page with its price."""

    call: Call
    cost: Mapping[str, str]
    source: str
    status: str = "priced"
    unpriced: tuple[str, ...] = ()


def tokens(read: int = 0, write: int = 0, hour: int = 0, *, i: int = 0, o: int = 0) -> dict[str, int]:
    return {
        "input_tokens": i,
        "cache_read_tokens": read,
        "cache_write_5m_tokens": write,
        "cache_write_1h_tokens": hour,
        "output_tokens": o,
    }


def chat(provider: str, model: str, i: str, o: str, source: str, *, read: str = "", **call: Any) -> Case:
    """Return a case with 100,000 tokens in and out (below every long-prompt threshold), at rates per million."""
    usage = tokens(M // 10 if read else 0, i=M // 10 if not read else 0, o=M // 10)
    cost = {"output_cost": str(Decimal(o) / 10)}
    cost |= {"cache_read_cost": str(Decimal(read) / 10)} if read else {"input_cost": str(Decimal(i) / 10)}
    return Case(Call(provider, model, usage, **call), cost, source)


def unit(provider: str, model: str, usage: dict[str, int], cost: str, source: str, **call: object) -> Case:
    return Case(Call(provider, model, usage, **call), {"unit_cost": cost}, source)  # type: ignore[arg-type]


def image(model: str, size: str, quality: str, cost: str, source: str = OPENAI) -> Case:
    tags = {name: value for name, value in (("image_size", size), ("image_quality", quality)) if value}
    return unit("openai", model, {"images": 10}, cost, source, tags=tags)


def lower_bound(provider: str, model: str, usage: dict[str, int], cost: Mapping[str, str], source: str) -> Case:
    """Return a case with a fee that no event counts."""
    return Case(Call(provider, model, usage), cost, source, "partial", ("fee",))
