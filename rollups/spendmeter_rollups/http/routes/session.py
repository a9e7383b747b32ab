"""`/v1/session`: sign in and out of the page, and what the caller may do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from spendmeter_rollups.access.auth import Credential, authenticate
from spendmeter_rollups.access.session_cookie import clear_cookie, require_page, set_cookie
from spendmeter_rollups.access.sessions import COOKIE, LENGTH, LONGEST_KEY, session_key, session_value
from spendmeter_rollups.catalogue.money import USD
from spendmeter_rollups.http.routes.usage import PROBLEMS
from spendmeter_rollups.http.service import RequestContextDep, Service, ServiceDep
from spendmeter_rollups.problems import ProblemAnswer, unauthorized
from spendmeter_rollups.query.lookups import known_currencies

_Secret = Annotated[str, Field(max_length=LONGEST_KEY)]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemAnswer, "description": text}
    for status, text in ((401, "unknown key, or a link that was used before"), (403, "not a request of the page"))
}

router = APIRouter(prefix="/v1/session", tags=["session"], responses=PROBLEMS)


class SignInBody(BaseModel):
    """An API key or a token of the OIDC issuer, or the secret of a link that signs in once."""

    model_config = ConfigDict(extra="forbid")

    key: _Secret = ""
    link: _Secret = ""


class WordAnswer(BaseModel):
    """The words for a dimension, singular and plural."""

    one: str = Field(examples=["School"])
    many: str = Field(examples=["Schools"])


class SessionAnswer(BaseModel):
    """The caller, and the settings that the page needs before it requests usage."""

    name: str = Field(examples=["admin"])
    org_id: str | None = Field(description="the only visible org; null for all")
    scopes: list[str]
    ends_at: datetime | None = Field(description="end of the browser's session; null for a bearer key")
    currencies: list[str] = Field(description="with a known rate", examples=[["USD", "INR"]])
    words: dict[str, WordAnswer] = Field(description="for org, class, section and user")


@router.post("", status_code=204, response_class=Response, responses=_ANSWERS)
async def post_session(body: SignInBody, request: Request, service: ServiceDep) -> Response:
    """Start a session: set a cookie that the browser sends instead of a key. Only the page may do so."""
    require_page(request)
    key = service.links.redeem(body.link) if body.link else body.key
    if body.link and key is None:
        raise unauthorized("this link has expired or was used before: paste a key")
    credential = await authenticate(service.authenticators, key)
    await service.rate_limit.count(credential)
    credential.visible_orgs()
    response = Response(status_code=204)
    set_cookie(response, session_value(str(key), service.clock() + LENGTH), secure=_secure(service))
    return response


@router.get("", response_model=SessionAnswer)
async def get_session(context: RequestContextDep) -> Response:
    """The caller's name, org and scopes."""

    async def found() -> SessionAnswer:
        return await _answer(context.service, context.credential, context.request)

    return await context.encoded(found())


@router.delete("", status_code=204, response_class=Response)
async def delete_session(service: ServiceDep) -> Response:
    """End the session of this browser."""
    response = Response(status_code=204)
    clear_cookie(response, secure=_secure(service))
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


async def _answer(service: Service, credential: Credential, request: Request) -> SessionAnswer:
    session = session_key(request.cookies.get(COOKIE, ""), service.clock())
    bearer = "authorization" in request.headers
    orgs = credential.orgs()
    return SessionAnswer(
        name=credential.name,
        org_id=None if orgs is None else next(iter(orgs), None),
        scopes=sorted(credential.scopes),
        ends_at=session[1] if session and not bearer else None,
        currencies=[USD, *sorted({row["currency"] for row in await service.reader.rows(known_currencies())})],
        words={name: WordAnswer(one=one, many=many) for name, (one, many) in service.settings.words.items()},
    )


def _secure(service: Service) -> bool:
    # The service itself uses plain HTTP behind a proxy. Strict-Transport-Security is set if that proxy uses TLS.
    return service.settings.hsts_seconds > 0
