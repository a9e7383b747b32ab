"""Read `SPENDMETER_*` variables of the file `.env` in the working folder. The environment overrides them."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

DOTENV: Final = Path(".env")
_LINE: Final = re.compile(r"^\s*(?:export\s+)?(SPENDMETER_\w+)\s*=\s*(.*?)\s*$")
_QUOTED: Final = re.compile(r"""(["'])(.*?)\1\s*(?:#.*)?""")
_COMMENT: Final = re.compile(r"(?:^|\s+)#.*$")


def read_dotenv(path: Path = DOTENV) -> dict[str, str]:
    """Return the variables of the file; none if it does not exist. Values are literal: `$NAME` is not replaced."""
    try:
        lines = _text_of(path).splitlines()
    except OSError:
        return {}
    found = filter(None, map(_LINE.match, lines))
    return {line[1]: _value(line[2]) for line in found}


def _text_of(path: Path) -> str:
    """Return the contents, also with a byte order mark, which programs of Windows write. Raises `OSError`."""
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    # A variable of the environment cannot contain NUL.
    return content.decode(encoding, errors="replace").replace("\0", "")


def apply_dotenv(environment: MutableMapping[str, str], path: Path = DOTENV) -> None:
    """Set the variables of the file that are not set, or are empty, in `environment`."""
    for name, value in read_dotenv(path).items():
        if not environment.get(name):
            environment[name] = value


def _value(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return quoted[2] if quoted else _COMMENT.sub("", text)
