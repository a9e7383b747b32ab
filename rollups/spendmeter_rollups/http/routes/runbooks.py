"""`/runbooks/…`: the page that an alert links to. Needs no key: it has commands, and no figures."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from spendmeter_rollups.problems import not_found

router = APIRouter(prefix="/runbooks", include_in_schema=False)


def packaged_runbooks() -> Path:
    """The folder of runbooks: inside the package in a wheel, in `docs/` of a checkout."""
    inside = Path(__file__).parents[1] / "runbooks"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "docs" / "runbooks"


# Read at the start: a name from a request never becomes a path.
_PAGES: Final = {path.name: path.read_text(encoding="utf-8") for path in packaged_runbooks().glob("*.md")}


@router.get("")
@router.get("/")
async def get_index() -> PlainTextResponse:
    """The names of all pages."""
    return PlainTextResponse("".join(f"{name}\n" for name in sorted(_PAGES)))


@router.get("/{name}")
async def get_page(name: str) -> PlainTextResponse:
    """One page, as text that a browser shows."""
    if name not in _PAGES:
        raise not_found("name", "no such runbook: /runbooks lists all")
    return PlainTextResponse(_PAGES[name])
