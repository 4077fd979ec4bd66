"""What the page asks first, and signing in."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError
from pydantic.alias_generators import to_camel

from pawfect import __version__
from pawfect.contract.errors import ErrorKind, invalid
from pawfect.contract.tensors import MAX_PIXELS, MAX_SIDE, MIN_SIDE, REMOTE_JUDGES
from pawfect_service.api.context import ApiContext
from pawfect_service.api.uploads import read_json
from pawfect_service.http.callers import KEY_HEADER, known_caller
from pawfect_service.http.failures import FAILURES, ApiError
from pawfect_service.http.sign_in import COOKIE, HOLDS_S, is_own_origin
from pawfect_service.jobs.fields import Part
from pawfect_service.strict import refused

router: Final = APIRouter(prefix="/api/v1", tags=["studio"])
_COOKIE_PATH: Final = "/api"
# Sent with each question that the page asks of itself, and by no other site's.
_COOKIE: Final[dict[str, Any]] = {
    "path": _COOKIE_PATH,
    "httponly": True,
    "samesite": "strict",
}


class Can(BaseModel):
    """Whether something can be done here."""

    available: bool
    why: str | None = Field(description="Why not, and what would be needed.")


class CanFill(Can):
    """Whether regions can be filled anew."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    ignores_prompt: bool = Field(description="Fills from the photo alone, whatever prompts say.")
    engines: list[str] = Field(description="That fill here, in the order in which auto takes them.")


class CanEdit(Can):
    """Whether a picture can be edited by words."""

    remote: bool = Field(description="A remote engine does it: the picture leaves the server.")


class CanSearch(Can):
    """Whether the best of many fills can be searched for."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    remote_judges: bool = Field(
        description="Judges elsewhere can be asked too: then pictures leave the server."
    )


class Abilities(BaseModel):
    """What can be done here."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    cutout: Can
    find_masks: Can
    text: Can
    region: CanFill
    subject: CanEdit
    general: CanEdit
    search: CanSearch
    swap: Can


class Limits(BaseModel):
    """Of a picture."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    max_bytes: int
    min_side: int = Field(description="px")
    max_side: int = Field(description="px")
    max_pixels: int


class Studio(BaseModel):
    """Who is signed in, and what can be done here."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    signed_in: bool
    needs_key: bool = Field(description="Whether an API key has to be given to sign in.")
    user: str | None = Field(description="Whose runs the page shows.")
    version: str
    profile: str | None = Field(description="The server's, where it has said it.")
    can: Abilities
    limits: Limits


class _Key(Part):
    """What a sign-in brings."""

    key: StrictStr


@router.get("/studio", summary="Who is signed in, and what can be done here")
async def studio(request: Request) -> Studio:
    """Return what a page needs to know before anybody does anything; no credentials needed."""
    context: ApiContext = request.app.state.context
    try:
        caller = await known_caller(context.authenticators, request.headers)
    except ApiError as error:
        if error.status != 401:
            raise
        if _brings_credentials(request):
            # What tells a right key from a wrong one is no quicker to ask than the rest.
            await context.check_guess(request)
        caller = None
    profile, known = await context.abilities.now()
    can = {name: asdict(one) for name, one in known.items()}
    judges = (known[model.name].available for model in REMOTE_JUDGES.values())
    can["search"]["remote_judges"] = any(judges)
    return Studio(
        signed_in=caller is not None,
        needs_key=not context.lets_anybody_in,
        user=(caller.uid or caller.own) if caller else None,
        version=__version__,
        profile=profile,
        can=Abilities.model_validate(can),
        limits=Limits(
            max_bytes=context.max_body_bytes,
            min_side=MIN_SIDE,
            max_side=MAX_SIDE,
            max_pixels=MAX_PIXELS,
        ),
    )


def _brings_credentials(request: Request) -> bool:
    named = (KEY_HEADER, "authorization")
    return COOKIE in request.cookies or any(name in request.headers for name in named)


_SIGN_IN: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["key"],
                    "additionalProperties": False,
                    "properties": {"key": {"type": "string"}},
                },
                "example": {"key": "an API key"},
            }
        },
    }
}


@router.post(
    "/sign-in",
    status_code=204,
    summary="Sign in with an API key",
    openapi_extra=_SIGN_IN,
    responses={number: FAILURES[number] for number in (400, 401, 403, 429)},
)
async def sign_in(request: Request) -> Response:
    """Give the browser a cookie of this API's own, good for a week, for a key of one user's.

    Where the API asks nobody who calls, there is nothing to sign in to: no cookie is given.
    """
    context: ApiContext = request.app.state.context
    if context.sign_ins is None and not context.lets_anybody_in:
        expected = "an API with keys, so that one can sign in"
        raise invalid("sign-in", expected, "one that takes Google's tokens alone")
    if "origin" in request.headers and not is_own_origin(request.headers):
        message = "origin: expected this API's own, got another"
        raise ApiError(403, ErrorKind.INVALID_ARG, message)
    try:
        given = _Key.model_validate(await read_json(request))
    except ValidationError as error:
        raise refused(error, "sign-in") from None
    answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
    if context.sign_ins is not None:
        behind = request.headers.get("x-forwarded-proto", request.url.scheme)
        secure = behind == "https"
        try:
            value = context.sign_ins.cookie(given.key)
        except ApiError:
            # Wrong ones alone: behind one address others may be guessing.
            await context.check_guess(request)
            raise
        answer.set_cookie(COOKIE, value, max_age=HOLDS_S, secure=secure, **_COOKIE)
    return answer


@router.delete("/sign-in", status_code=204, summary="Sign out")
async def sign_out() -> Response:
    """Take the browser's cookie back."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, **_COOKIE)
    return answer
