"""What a POST of a refinement brings: JSON, or a form with it and pictures beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field, StrictInt, StrictStr, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from pawfect.contract.errors import invalid
from pawfect.contract.refine import MAX_PAYLOAD_BYTES
from pawfect_service.api.runs.references import read_reference
from pawfect_service.api.uploads import FORM, Order, in_time, media_of, read_json
from pawfect_service.jobs.fields import Part
from pawfect_service.jobs.kinds import REFINE
from pawfect_service.jobs.kinds.refine import MASK_FIELDS, PAYLOAD, REFERENCE, TYPE
from pawfect_service.jobs.paths import HIGHEST_VERSION
from pawfect_service.services import Services
from pawfect_service.strict import refused, strict_json

# A payload, and what stands beside it.
MAX_REQUEST_BYTES: Final = MAX_PAYLOAD_BYTES + 16 * 1024
REQUEST: Final = "request"
MASKS: Final = "masks"


class RefineRequest(Part):
    """What a refinement is asked for."""

    type: StrictStr
    payload: dict[str, Any]
    creativity: StrictInt | None = None
    base: Annotated[StrictInt, Field(ge=0, le=HIGHEST_VERSION)] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class _Brought:
    """A body: what it asks for, and the files by the fields that the kind knows them by."""

    asked: dict[str, Any]
    files: Mapping[str, bytes]


async def read_refinement(
    request: Request, uid: str, services: Services
) -> tuple[Order, int | None]:
    """Return what a POST orders, and which version it works on.

    Args:
        request: with JSON or a form.
        uid: whose run; a reference must be this user's.
        services: the storage, and the bounds of jobs.

    Raises:
        PawfectError: INVALID_ARG for anything that is missing, unknown, twice there, or of another
            type; DEADLINE for a body that comes too slowly.
    """
    brought = await _brought(request)
    try:
        asked = RefineRequest.model_validate(brought.asked)
    except ValidationError as error:
        raise refused(error, REQUEST) from None
    given = dict(asked.parameters)
    if asked.creativity is not None:
        if "creativity" in given:
            raise invalid("creativity", "once", "twice")
        given["creativity"] = asked.creativity
    parameters = REFINE.checked(given, services.sessions.contract.fill_s)
    files = dict(brought.files)
    if (name := asked.payload.get("referenceFileId")) is not None and asked.type == "subject":
        if REFERENCE in files:
            raise invalid(REFERENCE, "a file or referenceFileId", "both")
        files[REFERENCE] = await read_reference(services.stores.files, uid, name)
    texts = {TYPE: asked.type, PAYLOAD: json.dumps(asked.payload, ensure_ascii=False)}
    return Order(files, parameters, texts), asked.base


async def _brought(request: Request) -> _Brought:
    if media_of(request) != FORM:
        expected = f"{FORM} or application/json"
        return _Brought(await read_json(request, expected, MAX_REQUEST_BYTES), {})
    files: dict[str, bytes] = {}
    text: str | None = None
    masks = iter(MASK_FIELDS)
    most = len(MASK_FIELDS) + 1
    async with (
        in_time(),
        request.form(max_files=most, max_fields=1, max_part_size=MAX_REQUEST_BYTES) as form,
    ):
        for name, value in form.multi_items():
            if name == REQUEST and isinstance(value, str):
                text = value
            elif name == MASKS and isinstance(value, UploadFile):
                if (field := next(masks, None)) is None:
                    raise invalid(MASKS, f"at most {len(MASK_FIELDS)} files", "more")
                files[field] = await value.read()
            elif name == REFERENCE and isinstance(value, UploadFile) and name not in files:
                files[name] = await value.read()
            else:
                expected = f"{REQUEST} (a text), {MASKS} and {REFERENCE} (files)"
                raise invalid("request", expected, repr(name[:40]))
    if text is None:
        raise invalid(REQUEST, "a text, JSON", "none")
    return _Brought(strict_json(text, REQUEST), files)
