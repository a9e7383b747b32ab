"""Consoles of the commands. In a pipe or a file, lines have no width limit, and there are no progress bars."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.table import Table
from rich.text import Text

_UNLIMITED: Final = 100_000


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


def print_json(rows: Iterable[Mapping[str, object]]) -> None:
    """Print one JSON object per row, with times in ISO 8601."""
    for row in rows:
        typer.echo(json.dumps(row, default=_text, ensure_ascii=False))


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def output() -> Console:
    """Return the console of stdout. Only a terminal's width limits its lines: a cut value is useless to a script."""
    console = Console()
    return console if console.is_terminal else Console(width=_UNLIMITED)


def progress_bars(*columns: ProgressColumn, transient: bool = False) -> Progress:
    """Return progress bars on stderr, shown only on a terminal."""
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=transient, disable=not console.is_terminal)


def add_plain_row(table: Table, *cells: str) -> None:
    """Add a row of stored or foreign text, in which `[…]` is no markup."""
    table.add_row(*map(Text, cells))
