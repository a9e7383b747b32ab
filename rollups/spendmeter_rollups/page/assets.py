"""Files of the page, under a URL that contains their hash: browsers cache them forever, and a release changes the URL.

`plotly.min.js` comes from the package `plotly`. It is compressed once, not per request: it has 4.8 MB.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("static")
PLOTLY: Final = "plotly.min.js"
_SHELL: Final = "index.html"
_STYLES: Final = re.compile(r'getElementById\("([0-9a-f]{64})"\)')
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    body: bytes
    media_type: str


# Read at import: a name from a request never becomes a path.
ASSETS: Final = {
    path.relative_to(FOLDER).as_posix(): Asset(path.read_bytes(), _TYPES[path.suffix])
    for path in sorted(FOLDER.rglob("*"))
    if path.suffix in _TYPES
}


def digest() -> str:
    """Return the hash of all files and of the version of plotly: one folder, so that relative imports need no map."""
    found = hashlib.sha256(version("plotly").encode())
    for name, asset in ASSETS.items():
        found.update(name.encode() + b"\0" + hashlib.sha256(asset.body).digest())
    return found.hexdigest()[:16]


DIGEST: Final = digest()


@cache
def shell() -> str:
    """Return the HTML page. Every module is preloaded, which avoids a chain of requests from import to import."""
    base = f"page/{DIGEST}"
    modules = (name for name in ASSETS if name.endswith(".js") and name != "theme.js")
    preloads = "\n".join(f'<link rel="modulepreload" href="{base}/{name}">' for name in modules)
    page = (FOLDER / _SHELL).read_text(encoding="utf-8")
    # Unless they already exist, plotly adds inline styles for its maps, which are unused and forbidden by the CSP.
    styles = "".join(f'<template id="{name}"></template>' for name in _STYLES.findall(_plotly()))
    return page.replace("BASE", base).replace("<!-- modules -->", preloads).replace("<!-- styles -->", styles)


@cache
def plotly_script() -> bytes:
    """Return the gzipped script of plotly. Takes half a second at the first call."""
    return gzip.compress(_plotly().encode(), compresslevel=6, mtime=0)


def _plotly() -> str:
    # Imported here: it takes longer than the rest of the page, and only this file is read from it.
    import plotly

    return files(plotly).joinpath("package_data", PLOTLY).read_text(encoding="utf-8")
