"""Masks of what is in a picture: its subject, or what phrases name. Nothing is stored or queued."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Depends, Request
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from pawfect.contract.errors import invalid
from pawfect.contract.find import check_phrase
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.photo.saving import plain_png
from pawfect_client.finding import JOINED
from pawfect_service.api.context import ApiContext, let_in
from pawfect_service.api.naming import MOST_PHRASES, read_number
from pawfect_service.api.routes import CREDENTIALS
from pawfect_service.api.runs.basis import base_version, picture_of
from pawfect_service.api.runs.run import jobs_of, run_not_found
from pawfect_service.api.runs.versions import read_version
from pawfect_service.api.uploads import FORM, MAX_TEXT, in_time, media_of
from pawfect_service.http.callers import Caller
from pawfect_service.http.failures import FAILURES, ErrorAnswer
from pawfect_service.jobs.kinds.room import decoded
from pawfect_service.jobs.paths import RunId

router: Final = APIRouter(prefix="/api/v1", tags=["masks"])

_PHOTO: Final = "photo"
_TEXTS: Final = ("run", "version", "subject", "leastScore")
_FIND: Final = "find"
_LetIn = Annotated[tuple[ApiContext, Caller], Depends(let_in)]


class Found(BaseModel):
    """One thing that was found."""

    phrase: str | None = Field(description="null: the subject")
    score: float = Field(description="How sure the network is of it, 0 to 1.")
    share: float = Field(description="Of the picture that it covers, 0 to 1.")
    mask: str = Field(description="A PNG of the picture's size in base64, white = it.")


class FoundMasks(BaseModel):
    """What was found in a picture; a phrase that finds nothing is left out."""

    found: list[Found]
    report: dict[str, Any] = Field(
        description="Of the network: of the subject, or by phrase of what was looked for."
    )


@dataclass(frozen=True)
class _Asked:
    """What a form asks for."""

    photo: bytes | None
    texts: dict[str, str]
    phrases: list[str]


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        _PHOTO: {"type": "string", "format": "binary"},
                        "run": {"type": "string", "description": "In place of photo: a run."},
                        "version": {
                            "type": "string",
                            "description": "Of the run; 0: the photo; else the newest.",
                        },
                        "subject": {"type": "string", "enum": ["true", "false"]},
                        _FIND: {
                            "type": "array",
                            "items": {"type": "string"},
                            "maxItems": MOST_PHRASES,
                        },
                        "leastScore": {"type": "string", "description": "0 to 1 (0.3)."},
                    },
                },
                "example": {"run": "8c0d6f0e4b1a4d7e9f3c2a5b6d7e8f90.u-4711", "subject": "true"},
            }
        },
    }
}


@router.post(
    "/masks",
    summary="Find the subject, or what phrases name",
    dependencies=CREDENTIALS,
    openapi_extra=_BODY,
    responses={
        **FAILURES,
        413: {"model": ErrorAnswer, "description": "The body is too long"},
        504: {"model": ErrorAnswer, "description": "It took over 60 s"},
    },
)
async def find(entry: _LetIn, request: Request) -> FoundMasks:
    """Return masks of what is in a photo, or in a version of a run.

    `subject=true` finds the pet (and who holds it) by the network of background removal; `find`, up
    to eight times, looks for a phrase such as `leash` and needs a server with SAM3, else it is 503
    with what mends that. The mask of what was found may be sent as `mask` or `protect`, as it is or
    painted over.
    """
    context, caller = entry
    asked = await _read(request)
    subject = asked.texts.get("subject", "false")
    if subject not in ("true", "false"):
        raise invalid("subject", "true or false", repr(subject[:20]))
    if (subject == "true") is bool(asked.phrases):
        got = "both" if asked.phrases else "neither"
        raise invalid("subject, find", "one of them", got)
    if subject == "true" and "leastScore" in asked.texts:
        raise invalid("leastScore", f"{_FIND}, which it belongs to", "subject")
    if "version" in asked.texts and "run" not in asked.texts:
        raise invalid("version", "run, which it belongs to", "none")
    async with context.naming.turn("subject" if subject == "true" else _FIND):
        photo = await _picture(context, caller, asked)
        pixels = (await context.services.tools.off_loop(decoded, photo, _PHOTO)).pixels
        if subject == "true":
            return await _subject(context, pixels)
        return await _named(context, pixels, asked)


async def _read(request: Request) -> _Asked:
    if media_of(request) != FORM:
        raise invalid("Content-Type", FORM, media_of(request)[:80])
    photo: bytes | None = None
    texts: dict[str, str] = {}
    phrases: list[str] = []
    most = len(_TEXTS) + MOST_PHRASES
    async with (
        in_time(),
        request.form(max_files=1, max_fields=most, max_part_size=MAX_TEXT) as form,
    ):
        for name, value in form.multi_items():
            if name == _PHOTO and isinstance(value, UploadFile):
                photo = await value.read()
            elif name == _FIND and isinstance(value, str):
                phrases.append(check_phrase(value))
            elif name in _TEXTS and isinstance(value, str) and name not in texts:
                texts[name] = value
            else:
                known = ", ".join((_PHOTO, _FIND, *_TEXTS))
                raise invalid("request", f"some of {known}", repr(name[:40]))
    if (photo is None) is ("run" not in texts):
        raise invalid("photo, run", "one of them", "neither" if photo is None else "both")
    if len(phrases) > MOST_PHRASES:
        raise invalid(_FIND, f"at most {MOST_PHRASES} phrases", len(phrases))
    return _Asked(photo, texts, list(dict.fromkeys(phrases)))


async def _picture(context: ApiContext, caller: Caller, asked: _Asked) -> bytes:
    if asked.photo is not None:
        return asked.photo
    text = asked.texts["run"]
    run = RunId.parse(text)
    if run is None:
        raise run_not_found(text)
    caller.check(run.uid)
    jobs = await jobs_of(context.services.sessions, run)
    base = base_version(run, jobs, read_version("version", asked.texts.get("version")))
    return await picture_of(context.services, run, base)


async def _subject(context: ApiContext, pixels: NDArray[np.uint8]) -> FoundMasks:
    tools = context.services.tools
    cut = await tools.labeller.background_removal(pixels)
    report = json.loads(cut.report.to_json())
    if not cut.report.subject_found:
        return FoundMasks(found=[], report=report)
    found = await tools.off_loop(_found, None, cut.report.confidence, cut.alpha)
    return FoundMasks(found=[found], report=report)


async def _named(context: ApiContext, pixels: NDArray[np.uint8], asked: _Asked) -> FoundMasks:
    tools, least = context.services.tools, asked.texts.get("leastScore")
    given: dict[str, Any] = (
        {} if least is None else {"least_score": read_number(least, "leastScore")}
    )
    found, reports = [], {}
    for phrase in asked.phrases:
        # One after another: the first has the server see the photo, the others find it seen.
        answer = await tools.labeller.find_masks(pixels, phrase, **JOINED, **given)
        reports[phrase] = json.loads(answer.report.to_json())
        if answer.masks.any():
            score = float(answer.scores[0])
            found.append(await tools.off_loop(_found, phrase, score, answer.masks[0]))
    return FoundMasks(found=found, report=reports)


def _found(phrase: str | None, score: float, soft: NDArray[np.uint8]) -> Found:
    inside = soft >= MASK_THRESHOLD
    png = plain_png(np.where(inside, np.uint8(255), np.uint8(0)))
    share = round(float(inside.mean()), 6)
    return Found(
        phrase=phrase, score=round(score, 4), share=share, mask=base64.b64encode(png).decode()
    )
