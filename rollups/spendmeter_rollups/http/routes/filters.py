"""`/v1/filters/…`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from spendmeter_rollups.catalogue.tags import TAG_KEYS
from spendmeter_rollups.http.routes.usage import PROBLEMS, UNKNOWN
from spendmeter_rollups.http.service import RequestContextDep
from spendmeter_rollups.views.breakdown import find_dimension
from spendmeter_rollups.views.filter_values import ValuesAnswer, ValuesParams, values

router = APIRouter(prefix="/v1/filters", tags=["filters"], responses=PROBLEMS)


@router.get("/{dimension}", response_model=ValuesAnswer, responses=UNKNOWN)
async def get_values(dimension: str, params: Annotated[ValuesParams, Query()], context: RequestContextDep) -> Response:
    """Filter values that match a part of their text or name; of `tag`, the keys of tags."""
    found = TAG_KEYS if dimension == TAG_KEYS.name else find_dimension(dimension)
    return await context.answer(params, partial(values, dimension=found, params=params))
