"""Errors as RFC 9457 problem JSON, with the invalid parameters and their allowed values.

401: no valid credential; 403: credential without permission; 404: unknown path segment; 409: exists already;
422: invalid query parameter; 503: ClickHouse unreachable, or query limits exceeded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args, get_origin

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from spendmeter_clickhouse import StoreError, StoreUnreachableError

MEDIA_TYPE: Final = "application/problem+json"
_MAX_FAULTS: Final = 20
_TOO_HEAVY: Final = "The query exceeded its time, memory or row limit: request a shorter window or add filters."
_LIMIT_ERRORS: Final = ("TIMEOUT_EXCEEDED", "TOO_SLOW", "MEMORY_LIMIT_EXCEEDED", "TOO_MANY_ROWS", "TOO_MANY_BYTES")


class Fault(BaseModel):
    """One invalid parameter."""

    parameter: str
    detail: str
    allowed: list[str] | None = None


class ProblemAnswer(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:spendmeter:problem:invalid-parameter"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="the path of the request")
    errors: list[Fault] = Field([], description="absent if no parameter is at fault")


class Problem(Exception):
    """An error that ends a request with a problem answer. `kind` is the last part of its type URN."""

    def __init__(
        self,
        *,
        status: int,
        kind: str,
        title: str,
        detail: str,
        errors: Sequence[Fault] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers


class ProblemWhileReading(HTTPException):
    """A problem found while the body is read. FastAPI turns every other exception there into a 400."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status, problem.detail)
        self.problem = problem


def invalid_parameter(parameter: str, detail: str, *, allowed: Sequence[str] | None = None) -> Problem:
    """Return the problem for an invalid query parameter."""
    return invalid_parameters([_fault(parameter, detail, allowed)])


def invalid_parameters(faults: Sequence[Fault]) -> Problem:
    """Return one problem for several invalid parameters, so that a caller can fix them all at once."""
    detail = "; ".join(f"{fault.parameter}: {fault.detail}" for fault in faults)
    return Problem(status=422, kind="invalid-parameter", title="Invalid parameter", detail=detail, errors=faults)


def too_much(detail: str) -> Problem:
    """Return the problem for an answer that would be too large; `detail` says how to reduce it."""
    return Problem(status=422, kind="answer-too-large", title="Answer too large", detail=detail)


def not_found(parameter: str, detail: str, *, allowed: Sequence[str] | None = None) -> Problem:
    """Return the problem for an unknown path segment."""
    fault = _fault(parameter, detail, allowed)
    return Problem(status=404, kind="not-found", title="Not found", detail=f"{parameter}: {detail}", errors=[fault])


def unauthorized(detail: str) -> Problem:
    """Return the problem for a missing or invalid credential."""
    return Problem(
        status=401,
        kind="unauthorized",
        title="Unauthorized",
        detail=detail,
        headers={"WWW-Authenticate": 'Bearer realm="spendmeter"'},
    )


def conflict(parameter: str, detail: str) -> Problem:
    """Return the problem for a resource that exists already."""
    fault = _fault(parameter, detail, None)
    return Problem(status=409, kind="conflict", title="Conflict", detail=f"{parameter}: {detail}", errors=[fault])


def forbidden(detail: str, *, parameter: str | None = None) -> Problem:
    """Return the problem for a credential without permission."""
    errors = [Fault(parameter=parameter, detail=detail)] if parameter else []
    return Problem(status=403, kind="forbidden", title="Forbidden", detail=detail, errors=errors)


def install_problems(app: FastAPI) -> None:
    """Register handlers that turn every error of `app` into a problem answer."""
    app.exception_handler(Problem)(_on_problem)
    app.exception_handler(RequestValidationError)(_on_invalid)
    app.exception_handler(HTTPException)(_on_http)
    app.exception_handler(StoreError)(_on_store)


def describe_problems(app: FastAPI) -> None:
    """Set the media type of problems in the OpenAPI document, where FastAPI writes application/json."""
    original = app.openapi

    def with_problem_media_type() -> dict[str, Any]:
        document = original()
        operations = [operation for item in document["paths"].values() for operation in item.values()]
        for answer in (answer for operation in operations for answer in operation["responses"].values()):
            schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
            if schema.get("$ref", "").endswith("/ProblemAnswer"):
                answer["content"] = {MEDIA_TYPE: {"schema": schema}}
        return document

    app.openapi = with_problem_media_type  # type: ignore[method-assign]  # as FastAPI documents it


def _fault(parameter: str, detail: str, allowed: Sequence[str] | None) -> Fault:
    return Fault(parameter=parameter, detail=detail, allowed=None if allowed is None else list(allowed))


def render(request: Request, problem: Problem) -> JSONResponse:
    """Return the response for `problem`."""
    answer = ProblemAnswer(
        type=f"urn:spendmeter:problem:{problem.kind}",
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        instance=request.url.path,
        errors=problem.errors,
    )
    body = answer.model_dump(exclude_none=True, exclude=set() if problem.errors else {"errors"})
    return JSONResponse(body, status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def internal_error(scope: Scope) -> Response:
    """Return the response for an unexpected error, without the cause, which is logged with the request id."""
    problem = Problem(
        status=500, kind="internal", title="Internal error", detail="The service failed. The log has the cause."
    )
    return render(Request(scope), problem)


async def _on_problem(request: Request, error: Problem) -> JSONResponse:
    return render(request, error)


async def _on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    # Bounded: a request with thousands of faults must not produce a response many times its size.
    faults = [_validation_fault(request, item) for item in error.errors()[:_MAX_FAULTS]]
    return render(request, invalid_parameters(faults))


async def _on_http(request: Request, error: HTTPException) -> JSONResponse:
    if isinstance(error, ProblemWhileReading):
        return render(request, error.problem)
    kind = {400: "invalid-body", 404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http-error")
    problem = Problem(
        status=error.status_code,
        kind=kind,
        title=str(error.detail),
        detail=f"{request.method} {request.url.path}: {error.detail}",
        headers=dict(error.headers or {}),
    )
    return render(request, problem)


async def _on_store(request: Request, error: StoreError) -> JSONResponse:
    text = str(error)
    if isinstance(error, StoreUnreachableError):
        kind, detail = "store-unreachable", "ClickHouse is unreachable. Retry later."
    elif any(name in text for name in _LIMIT_ERRORS):
        kind, detail = "query-limit", _TOO_HEAVY
    else:
        # Parameters are validated before they reach ClickHouse, so this is a bug: let the server log it.
        raise error
    return render(request, Problem(status=503, kind=kind, title="Service unavailable", detail=detail))


def _validation_fault(request: Request, item: dict[str, Any]) -> Fault:
    location = [str(part) for part in item["loc"]]
    context = item.get("ctx", {})
    if item["type"] == "json_invalid":
        reason = context.get("error", "syntax error")
        return Fault(parameter="body", detail=f"not valid JSON at character {int(location[-1]) + 1}: {reason}")
    if "discriminator" in context:
        models, name = _body_models(request)
        detail = "required" if item["type"] == "union_tag_not_found" else "unknown value"
        return Fault(parameter=name, detail=detail, allowed=[tag for model in models for tag in _tags(model, name)])
    if location[0] == "body":
        name, known = _body_field(request, location[1:])
    else:
        # Located by (query, name, index of the value).
        name, known = location[min(1, len(location) - 1)], _known_parameters(request)
    if item["type"] == "extra_forbidden":
        return Fault(parameter=name, detail="unknown parameter", allowed=known)
    expected = context.get("expected")
    allowed = [part.strip(" '") for part in expected.replace(" or ", ", ").split(",")] if expected else None
    return Fault(parameter=name, detail=item["msg"].removeprefix("Value error, "), allowed=allowed)


def _body_field(request: Request, location: Sequence[str]) -> tuple[str, list[str] | None]:
    """Return the top-level field of a fault in a body, and the fields of the body's model.

    A fault is located by (field, index or key, …), in a union of models by (tag, field, …).
    """
    models, discriminator = _body_models(request)
    if discriminator and location:
        models = [model for model in models if location[0] in _tags(model, discriminator)]
        location = location[1:]
    known = sorted(models[0].model_fields) if len(models) == 1 else None
    return location[0] if location else "body", known


def _body_models(request: Request) -> tuple[Sequence[type[BaseModel]], str]:
    """Return the models of the route's body, and the field that selects one of several."""
    info = request.scope["route"].dependant.body_params[0].field_info
    return get_args(info.annotation) or (info.annotation,), info.discriminator or ""


def _tags(model: type[BaseModel], discriminator: str) -> tuple[str, ...]:
    return get_args(model.model_fields[discriminator].annotation)


async def refuse_repeated(request: Request) -> None:
    """Raise `Problem` if a parameter with one value is given several times; the framework would use the last one."""
    single = {name for name, annotation in _parameters(request) if get_origin(annotation) is not list}
    given = Counter(name for name, _ in request.query_params.multi_items())
    faults = [_fault(name, "given more than once", None) for name, times in given.items() if times > 1]
    if faults := [fault for fault in faults if fault.parameter in single]:
        raise invalid_parameters(faults)


def _known_parameters(request: Request) -> list[str]:
    return sorted(name for name, _ in _parameters(request))


def _parameters(request: Request) -> Iterator[tuple[str, Any]]:
    """Yield name and type of each query parameter of the route."""
    dependant = getattr(request.scope["route"], "dependant", None)
    for parameter in dependant.query_params if dependant else ():
        model = getattr(parameter.field_info.annotation, "model_fields", None)
        if model is None:
            yield parameter.alias, parameter.field_info.annotation
        else:
            yield from ((field.alias or name, field.annotation) for name, field in model.items())
