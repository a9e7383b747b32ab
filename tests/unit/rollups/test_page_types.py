"""The page's modules pass the type checker of TypeScript, by their JSDoc."""

from __future__ import annotations

import shutil
import subprocess

from tests.support.required import do_without
from tests.support.shipped.files import ROOT


def test_the_modules_of_the_page_have_no_type_error() -> None:
    if shutil.which("tsc") is None:
        do_without("tsc (TypeScript) is missing: the page's modules are not type-checked")
    checked = subprocess.run(
        ["tsc", "--project", ROOT / "rollups/tsconfig.json"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
