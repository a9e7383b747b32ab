"""`/v1/directory/{kind}`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spendmeter_rollups.http.routes.usage import PROBLEMS
from spendmeter_rollups.http.service import RequestContextDep
from spendmeter_rollups.views.directory_entries import DirectoryAnswer, DirectoryParams, Kind, directory_entries

router = APIRouter(prefix="/v1/directory", tags=["directory"], responses=PROBLEMS)


@router.get("/{kind}", response_model=DirectoryAnswer)
async def get_directory(
    kind: Annotated[Kind, Path(examples=["agent"])],
    params: Annotated[DirectoryParams, Query()],
    context: RequestContextDep,
) -> Response:
    """Names of orgs, users, agents, tasks, configurations or features, by id, in batches."""
    visible = context.credential.visible_orgs()
    return await context.encoded(directory_entries(context.reader, kind, params, visible=visible), params=params)
