"""Run a process as in its container: read-only root, writable /tmp, read-only working folder, unprivileged user.

If the machine does not support one of these, log a one-line warning and apply the others.
"""

from __future__ import annotations

import functools
import os
import subprocess
import warnings
from pathlib import Path
from typing import Final

_SCRIPT: Final = str(Path(__file__).with_name("confined.sh"))
_USER: Final = "10001"
"""The user of the Dockerfile and the manifests."""
_READ: Final = "-all,+dac_read_search"
"""Allows reading everything, because the interpreter may be in a home folder; does not allow more writes."""
_AS_ROOT: Final = (
    *("unshare", "--mount", "sh", _SCRIPT),
    *("setpriv", "--reuid", _USER, "--regid", _USER, "--clear-groups", "--no-new-privs"),
    *("--inh-caps", _READ, "--ambient-caps", _READ, "--bounding-set", _READ),
)
_AS_USER: Final = ("unshare", "--user", "--map-root-user", "--mount", "sh", _SCRIPT)


@functools.cache
def confinement() -> tuple[str, ...]:
    """Return the prefix for a command."""
    prefix = _AS_ROOT if os.geteuid() == 0 else _AS_USER
    if not _works([*prefix, "sh", "-c", "test ! -w / && test ! -w . && test -w /tmp"]):
        warnings.warn("this machine allows no mount namespace: shipped processes run on a writable root", stacklevel=2)
        return ()
    return prefix


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except OSError:
        return False
