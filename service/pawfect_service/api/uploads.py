"""What a POST brings: a form with files, or JSON with the paths of files in storage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.parameters import InpaintParams, Scalar
from pawfect_service.http.failures import ApiError
from pawfect_service.http.json_object import strict_json
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.document import check_id
from pawfect_service.stores.base import Files

FILES: Final = ("photo", "mask", "protect")
TEXTS: Final = ("parameters", "prompt")
REQUIRED: Final = ("photo", "mask")
PARAMETERS: Final = tuple(each.name for each in fields(InpaintParams))
# Longest JSON text: parameters have some 300 bytes, a prompt at most 2,048.
MAX_TEXT: Final = 16 * 1024
# A body that takes longer to come in ties up a connection, s: 64 MiB at 5 Mbit/s take 107.
BODY_S: Final = 120.0


@dataclass(frozen=True)
class Order:
    """A request as it came, its parameters checked, its pictures not yet.

    Attributes:
        files: content by name: photo, mask and perhaps protect.
        parameters: scalars of InpaintParams that were given.
        prompt: text for FLUX, or None.
        stored: where files are in storage already, by name.
    """

    files: Mapping[str, bytes]
    parameters: Mapping[str, Scalar]
    prompt: str | None
    stored: Mapping[str, str] = field(default_factory=dict)


async def read_order(request: Request, uid: str, files: Files, contract: JobContract) -> Order:
    """Return what a POST orders.

    Args:
        request: with a multipart form or a JSON object.
        uid: whose; files in storage must be this user's.
        files: the storage.
        contract: bounds of the job.

    Raises:
        PawfectError: INVALID_ARG for anything that is missing, unknown, twice there, or of another
            type; DEADLINE for a body that comes too slowly.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        async with asyncio.timeout(BODY_S):
            if kind == "multipart/form-data":
                given = await _form(request)
            elif kind == "application/json":
                given = strict_json((await _text(request)).decode("utf-8", "strict"), "body")
            else:
                raise invalid("Content-Type", "multipart/form-data or application/json", kind[:80])
    except TimeoutError:
        late = f"body: expected all of it within {BODY_S:g} s"
        raise ApiError(408, ErrorKind.DEADLINE, late, {"Connection": "close"}) from None
    except UnicodeDecodeError:
        raise invalid("body", "JSON in UTF-8", "other bytes") from None
    except ClientDisconnect:
        raise PawfectError(ErrorKind.CANCELLED, "body: the client left") from None
    _check_names(given)
    parameters = _parameters(given.get("parameters", {}), contract)
    prompt = given.get("prompt")
    if prompt is not None and not isinstance(prompt, str):
        raise invalid("prompt", "a text", type(prompt).__name__)
    contents = {name: given[name] for name in FILES if given.get(name) is not None}
    stored = {name: path for name, path in contents.items() if isinstance(path, str)}
    for name, content in contents.items():
        if not isinstance(content, bytes):
            contents[name] = await _stored(name, content, uid, files)
    return Order(contents, parameters, prompt, stored)


async def _form(request: Request) -> dict[str, Any]:
    given: dict[str, Any] = {}
    async with request.form(
        max_files=len(FILES), max_fields=len(TEXTS), max_part_size=MAX_TEXT
    ) as form:
        for name, value in form.multi_items():
            if name in given:
                raise invalid(name, "once", "twice")
            if isinstance(value, UploadFile) != (name in FILES) and name in FILES + TEXTS:
                raise invalid(name, "a file" if name in FILES else "a text", "the other")
            given[name] = await value.read() if isinstance(value, UploadFile) else value
    if "parameters" in given:
        given["parameters"] = strict_json(given["parameters"], "parameters")
    return given


async def _text(request: Request) -> bytes:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_TEXT:
            raise invalid("body", f"at most {MAX_TEXT} bytes of JSON", "more")
    return data


def _check_names(given: Mapping[str, Any]) -> None:
    unknown = sorted(set(given) - set(FILES) - set(TEXTS))
    if unknown:
        got = ", ".join(unknown)[:200]
        raise invalid("request", f"some of {', '.join(FILES + TEXTS)}", got)
    for name in REQUIRED:
        if given.get(name) is None:
            raise invalid(name, "a file", "none")


def _parameters(given: Any, contract: JobContract) -> dict[str, Scalar]:
    if not isinstance(given, dict):
        raise invalid("parameters", "an object", type(given).__name__)
    parsed = InpaintParams.parse(given)
    longest_ms = int(contract.fill_s * 1000)
    if parsed.deadline_ms > longest_ms:
        raise invalid("deadline_ms", f"from 1 to {longest_ms}", parsed.deadline_ms)
    return {name: getattr(parsed, name) for name in given}


async def _stored(name: str, path: Any, uid: str, files: Files) -> bytes:
    """Return a file in storage that is the user's own."""
    expected = f"the path of a file below users/{uid}/"
    if not isinstance(path, str):
        raise invalid(name, expected, type(path).__name__)
    parts = path.split("/")
    if parts[:2] != ["users", uid] or len(parts) < 3 or len(path) > 1024:
        raise invalid(name, expected, "another")
    for part in parts[2:]:
        check_id(name, part)
    try:
        return await files.get(path)
    except FileNotFoundError:
        raise invalid(name, "a file in storage", "none") from None
