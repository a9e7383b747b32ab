"""`/runbooks/…`: the pages that alerts link to. No key is needed: they contain commands, no usage data."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from spendmeter_rollups.problems import not_found

router = APIRouter(prefix="/runbooks", include_in_schema=False)


def packaged_runbooks() -> Path:
    """Return the folder of runbooks: inside the package in a wheel, `docs/runbooks` in a checkout."""
    inside = Path(__file__).parents[2] / "runbooks"
    return inside if inside.is_dir() else Path(__file__).parents[4] / "docs" / "runbooks"


# Read at import: a name from a request never becomes a path.
_PAGES: Final = {path.name: path.read_text(encoding="utf-8") for path in packaged_runbooks().glob("*.md")}


@router.get("")
@router.get("/")
async def get_index() -> PlainTextResponse:
    """List all runbooks."""
    return PlainTextResponse("".join(f"{name}\n" for name in sorted(_PAGES)))


@router.get("/{name}")
async def get_page(name: str) -> PlainTextResponse:
    """One runbook, as plain text."""
    if name not in _PAGES:
        raise not_found("name", "no such runbook; GET /runbooks lists them")
    return PlainTextResponse(_PAGES[name])
