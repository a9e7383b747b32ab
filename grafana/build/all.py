"""All boards, as the files that Grafana reads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grafana.build.board import dumped
from grafana.build.boards import (
    agents,
    budgets,
    cache,
    classes,
    errors,
    features,
    heatmap,
    log,
    models,
    orgs,
    overview,
    pipeline,
    user,
    users,
)
from grafana.build.panels import Json

FOLDER: Final = Path(__file__).parents[1] / "dashboards"
_BOARDS: Final = (
    overview,
    orgs,
    users,
    user,
    features,
    models,
    agents,
    classes,
    errors,
    cache,
    heatmap,
    log,
    budgets,
    pipeline,
)


def boards() -> list[Json]:
    """Every dashboard, in the order of docs/boards.md."""
    return [module.build() for module in _BOARDS]


def rendered() -> dict[str, str]:
    """File name → content."""
    return {f"{board['uid'].removeprefix('spendmeter-')}.json": dumped(board) for board in boards()}
