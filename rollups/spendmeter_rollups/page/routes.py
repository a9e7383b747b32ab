"""`/`: the page, without a key. Its scripts sign in, and read all data from the API."""

from __future__ import annotations

import asyncio
import gzip
from typing import Final

from fastapi import APIRouter, Request, Response

from spendmeter_rollups.page.assets import ASSETS, DIGEST, PLOTLY, plotly_script, shell
from spendmeter_rollups.problems import not_found

# plotly appends an empty <style> and fills it through the CSSOM. The hash is that of an empty text, the only inline
# style admitted; scripts come from this origin only.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';"
    " img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_SHELL_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-cache",
    "ETag": f'W/"{DIGEST}"',
}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def get_page(request: Request) -> Response:
    """The HTML page; 304 if the browser has the page of this release."""
    if _SHELL_HEADERS["ETag"] in request.headers.get("if-none-match", "").split(", "):
        return Response(status_code=304, headers=_SHELL_HEADERS)
    return Response(await asyncio.to_thread(shell), media_type="text/html", headers=_SHELL_HEADERS)


@router.get(f"/page/{DIGEST}/{PLOTLY}")
async def get_plotly(request: Request) -> Response:
    """The script of the charts, loaded after the figures are shown."""
    packed = await asyncio.to_thread(plotly_script)
    headers = {**_FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})
    return Response(await asyncio.to_thread(gzip.decompress, packed), media_type="text/javascript", headers=headers)


@router.get("/page/{digest}/{name:path}")
async def get_asset(digest: str, name: str) -> Response:
    """One file of the page."""
    if digest != DIGEST or name not in ASSETS:
        raise not_found("name", "no such file of this release: reload the page")
    asset = ASSETS[name]
    return Response(asset.body, media_type=asset.media_type, headers=_FOREVER)
