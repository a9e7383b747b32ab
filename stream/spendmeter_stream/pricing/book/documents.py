"""Read price files: TOML with the line of every block and key, so that faults have a place.

`tomli` keeps no positions. Block headers and keys begin a line, so a line scan finds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import tomli

from spendmeter_stream.pricing.book.rows import BookFault, Place

_HEADER: Final = re.compile(r"\s*\[\[\s*([\w-]+)\s*\]\]")
_TABLE: Final = re.compile(r"\s*\[\s*[\w-]+\.([\w-]+)\s*\]")
_KEY: Final = re.compile(r"\s*([\w-]+)\s*=")

SEED_FOLDER: Final = "seed"
"""Folder of the rows written by `spendmeter prices import`. Reviewed files beside it replace them."""
TRANSCRIBED_FOLDER: Final = "transcribed"
"""Folder of rows transcribed from a public price map, for models that neither the seed nor a reviewed file has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One table of a file: its values and their lines."""

    data: Mapping[str, Any]
    file: str
    line: int
    lines: Mapping[str, int] = field(default_factory=dict)

    def place(self, key: str = "") -> Place:
        return Place(self.file, self.lines.get(key, self.line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One price file, or rows given as data. `layer`: 0 seed, 1 reviewed files, 2 data."""

    head: Block
    prices: tuple[Block, ...]
    multipliers: tuple[Block, ...]
    aliases: tuple[Block, ...] = ()
    layer: int


def read_documents(directory: Path) -> tuple[list[Document], list[BookFault]]:
    """Read every `*.toml` of the directory, its seed and its transcribed rows, in name order. No file is a fault."""
    documents: list[Document] = []
    faults: list[BookFault] = []
    lowest = (SEED_FOLDER, TRANSCRIBED_FOLDER)
    files = [(file, 0) for folder in lowest for file in sorted((directory / folder).glob("*.toml"))]
    files += [(file, 1) for file in sorted(directory.glob("*.toml"))]
    if not files:
        faults.append(BookFault(Place(str(directory), 1), "no price file (*.toml) in this directory"))
    for file, layer in files:
        name = file.relative_to(directory).as_posix()
        try:
            documents.append(parse_document(file.read_text("utf-8"), name, layer))
        except (tomli.TOMLDecodeError, UnicodeDecodeError, DocumentError) as error:
            faults.append(BookFault(Place(name, _line_of(error)), str(error)))
    return documents, faults


class DocumentError(ValueError):
    """A TOML construct that price files do not allow."""


def _line_of(error: Exception) -> int:
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else 1


def parse_document(text: str, name: str, layer: int) -> Document:
    """Parse one price file.

    :raises tomli.TOMLDecodeError: invalid TOML.
    :raises DocumentError: a construct that is not allowed, such as a multi-line string, which would hide lines.
    """
    if '"""' in text or "'''" in text:
        raise DocumentError("multi-line strings are not allowed in price files")
    data = tomli.loads(text, parse_float=Decimal)
    head_lines, blocks = _lines(text)
    prices, multipliers, aliases = (data.pop(kind, []) for kind in ("price", "multiplier", "alias"))
    if not (_is_tables(prices) and _is_tables(multipliers) and _is_tables(aliases)):
        raise DocumentError("write [[price]], [[multiplier]] and [[alias]] with two brackets")
    defaults = data.pop("defaults", {})
    if not isinstance(defaults, dict):
        raise DocumentError("write [defaults] as a table")
    return Document(
        head=Block(data=data, file=name, line=1, lines=head_lines),
        prices=_blocks(prices, defaults, name, blocks.get("price", [])),
        multipliers=_blocks(multipliers, defaults, name, blocks.get("multiplier", [])),
        aliases=_blocks(aliases, defaults, name, blocks.get("alias", [])),
        layer=layer,
    )


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(table, dict) for table in value)


def _blocks(
    tables: list[Any], defaults: dict[str, Any], name: str, positions: list[tuple[int, dict[str, int]]]
) -> tuple[Block, ...]:
    # An inline array (`price = [...]`) has no headers; its tables get line 1.
    padded = positions + [(1, {})] * (len(tables) - len(positions))
    return tuple(
        Block(data={**defaults, **table}, file=name, line=line, lines=lines)
        for table, (line, lines) in zip(tables, padded, strict=True)
    )


def _lines(text: str) -> tuple[dict[str, int], dict[str, list[tuple[int, dict[str, int]]]]]:
    head: dict[str, int] = {}
    blocks: dict[str, list[tuple[int, dict[str, int]]]] = {}
    keys = head
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            keys = {}
            blocks.setdefault(header[1], []).append((number, keys))
        elif name := _TABLE.match(line) or _KEY.match(line):
            keys.setdefault(name[1], number)
    return head, blocks


def document_of_rows(
    rows: Iterable[Mapping[str, Any]], *, layer: int, keys: Iterable[str] | None = None
) -> list[Document]:
    """Return documents of rows: `[[price]]`, (with `factor`) `[[multiplier]]` or (with `serves`) `[[alias]]` blocks.

    Each row also has its `provider`. The place of a row is its key, or else `rows:N`, counted from 1.
    """
    rows = list(rows)
    places = [Place("rows", number) for number in range(1, len(rows) + 1)]
    if keys is not None:
        places = [Place(key, 0) for key in keys]
    documents = []
    for row, place in zip(rows, places, strict=True):
        data = {key: value for key, value in row.items() if key != "provider"}
        block = Block(data=data, file=place.file, line=place.line)
        documents.append(
            Document(
                head=replace(block, data={key: row[key] for key in ("provider",) if key in row}),
                prices=() if "factor" in row or "serves" in row else (block,),
                multipliers=(block,) if "factor" in row else (),
                aliases=(block,) if "serves" in row and "factor" not in row else (),
                layer=layer,
            )
        )
    return documents
