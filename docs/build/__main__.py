"""Rewrite the generated parts of the documentation."""

from __future__ import annotations

from docs.build.architecture import PAGE, page

PAGE.write_text(page(PAGE.read_text()))
