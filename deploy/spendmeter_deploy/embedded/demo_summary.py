"""Print the demo's summary from the answers of the query service."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from spendmeter_deploy.embedded.stack import EmbeddedStack

_BREAKDOWNS = (("org", "School"), ("feature", "Feature"), ("model", "Model"))
_ROWS = 5


async def show_summary(stack: EmbeddedStack, console: Console) -> None:
    """Print the last 90 days: totals, and the costliest schools, features and models.

    The query limits of the settings apply here too; a rejected query prints its status instead.
    """
    async with aiohttp.ClientSession(
        base_url=stack.url, headers={"Authorization": f"Bearer {stack.key}"}, raise_for_status=True
    ) as client:
        try:
            console.print(_totals(await _get(client, "summary")))
            for dimension, title in _BREAKDOWNS:
                console.print(_costliest(title, await _get(client, f"breakdown/{dimension}")))
        except aiohttp.ClientResponseError as error:
            console.print(f"No summary: the query service returned {error.status} {error.message}.", style="yellow")


async def _get(client: aiohttp.ClientSession, view: str) -> dict[str, Any]:
    async with client.get(f"/v1/usage/{view}", params={"preset": "90d"}) as answer:
        found: dict[str, Any] = await answer.json()
        return found


def _totals(summary: dict[str, Any]) -> Table:
    totals = summary["totals"]
    table = Table(title="The last 90 days", title_justify="left", title_style="bold", show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    rows = (
        ("estimated cost", _usd(totals["cost"])),
        ("  chargeable (without BYOK)", _usd(totals["chargeable_cost"])),
        ("requests", f"{totals['requests']:,}"),
        ("success rate", f"{totals['success_rate']:.2%}"),
        ("tokens", f"{totals['total_tokens']:,}"),
        ("  prompt / completion", f"{totals['prompt_tokens']:,} / {totals['completion_tokens']:,}"),
        ("  served from cache", f"{totals['cached_tokens']:,}"),
        ("users, providers, models", f"{totals['users']}, {totals['providers']}, {totals['models']}"),
        ("latency p50 / p95 / p99", " / ".join(f"{totals[f'p{p}_latency_ms']:,.0f} ms" for p in (50, 95, 99))),
        ("unpriced or partially priced", f"{totals['unpriced_requests'] + totals['partial_requests']:,}"),
        ("newest event", str(summary["freshness"]["newest_event_at"])),
    )
    for name, value in rows:
        table.add_row(name, value)
    return table


def _costliest(title: str, answer: dict[str, Any]) -> Table:
    table = Table(title=f"Costliest: {title.lower()}s", title_justify="left", title_style="bold")
    table.add_column(title)
    for column in ("Requests", "Tokens", "Cost", "Share"):
        table.add_column(column, justify="right")
    for row in answer["rows"][:_ROWS]:
        table.add_row(
            " / ".join(row["key"].values()),
            f"{row['requests']:,}",
            f"{row['total_tokens']:,}",
            _usd(row["cost"]),
            f"{row['share'] or 0:.1%}",
        )
    return table


def _usd(amount: str) -> str:
    return f"{Decimal(amount):,.2f} USD"
