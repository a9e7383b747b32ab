"""`/docs`: Swagger UI. All files are served by this process, so it works without internet access.

The files come from the package `fastapi-swagger`, which repackages each release of Swagger UI.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

import fastapi_swagger
from fastapi import APIRouter, Response

_FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_START: Final = """\
window.ui = SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, displayRequestDuration: true,
  persistAuthorization: false, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout",
});
"""
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Spendmeter</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> does not.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
# Swagger UI needs inline styles and icons from data URLs; scripts come from this origin only.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_CACHE_HEADERS: Final = {"Cache-Control": "public, max-age=3600"}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def get_docs() -> Response:
    """The Swagger UI page."""
    return Response(
        _PAGE, media_type="text/html", headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    )


@router.get("/docs/start.js")
async def get_start() -> Response:
    """The start script: a file, because the Content-Security-Policy forbids inline scripts."""
    return Response(_START, media_type="text/javascript", headers=_CACHE_HEADERS)


async def _file(name: str) -> Response:
    return Response(_read(name), media_type=_FILES[name], headers=_CACHE_HEADERS)


@router.get("/docs/swagger-ui-bundle.js")
async def get_script() -> Response:
    """The script of Swagger UI."""
    return await _file("swagger-ui-bundle.js")


@router.get("/docs/swagger-ui.css")
async def get_styles() -> Response:
    """The styles of Swagger UI."""
    return await _file("swagger-ui.css")


@router.get("/docs/favicon-32x32.png")
async def get_icon() -> Response:
    """The page's icon."""
    return await _file("favicon-32x32.png")


@cache
def _read(name: str) -> bytes:
    return files(fastapi_swagger).joinpath("resources", name).read_bytes()
