"""`/v1/api-keys`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spendmeter_clickhouse.scopes import PLATFORM_WRITE
from spendmeter_rollups.access.key_management import (
    CreatedKey,
    KeyBody,
    KeysAnswer,
    KeysParams,
    create_key,
    revoke_stored_key,
    stored_keys,
)
from spendmeter_rollups.http.audit_log import record_action
from spendmeter_rollups.http.routes.usage import PROBLEMS, UNKNOWN
from spendmeter_rollups.http.service import RequestContextDep
from spendmeter_rollups.query.params import Value

router = APIRouter(prefix="/v1/api-keys", tags=["access"], responses=PROBLEMS)


@router.get("", response_model=KeysAnswer)
async def get_keys(params: Annotated[KeysParams, Query()], context: RequestContextDep) -> Response:
    """API keys of all orgs, or of the caller's own, oldest first, with scopes, limits and state; never the secrets."""
    context.credential.require(PLATFORM_WRITE)
    found = stored_keys(context.service.writer, context.credential, params, now=context.service.clock())
    return await context.encoded(found, params=params)


@router.post("", status_code=201, response_model=CreatedKey)
async def post_key(body: KeyBody, context: RequestContextDep) -> Response:
    """Create an API key with scopes that the caller has. The answer contains the key, once. The write is audited."""
    context.credential.require(PLATFORM_WRITE)

    async def created() -> CreatedKey:
        service = context.service
        made = await create_key(
            service.writer, context.credential, body, now=service.clock(), settings=service.settings
        )
        await record_action(context, "key.create", org_id=made.org_id, subject=made.prefix)
        return made

    return await context.encoded(created(), status_code=201)


@router.delete("/{prefix}", status_code=204, response_class=Response, responses=UNKNOWN)
async def delete_key(prefix: Annotated[Value, Path(examples=["spm_0123456789"])], context: RequestContextDep) -> None:
    """Revoke an API key. Each process of the service accepts it for up to 5 more seconds. The write is audited."""
    context.credential.require(PLATFORM_WRITE)

    async def revoked() -> None:
        service = context.service
        key = await revoke_stored_key(service.writer, context.credential, prefix, now=service.clock())
        await record_action(context, "key.revoke", org_id=key.org_id, subject=key.prefix)

    await context.service.compute.run(revoked())
