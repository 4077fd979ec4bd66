"""What a POST brings: a form with files, or JSON with the paths of files in storage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect_service.http.failures import ApiError
from pawfect_service.jobs.base import Base
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.paths import check_id
from pawfect_service.stores.base import Files
from pawfect_service.strict import strict_json

PARAMETERS: Final = "parameters"
# Longest JSON text: parameters have some 300 bytes, a prompt at most 2,048.
MAX_TEXT: Final = 16 * 1024
# A body that takes longer to come in ties up a connection, s: 128 MiB at 5 Mbit/s take 215.
BODY_S: Final = 240.0
FORM: Final = "multipart/form-data"
_JSON: Final = "application/json"


class Form(Protocol):
    """What a POST may bring; each kind of job is one."""

    @property
    def fields(self) -> Mapping[str, bool]:
        """File fields, and whether each has to be there."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Text fields besides `parameters`."""

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> Mapping[str, Any]:
        """Return the parameters that were given; INVALID_ARG for one that is wrong."""


@dataclass(frozen=True)
class Order:
    """A request as it came, its parameters checked, its files not yet.

    Attributes:
        files: content by field.
        parameters: as the form's `checked` gave them.
        texts: by field.
        stored: what was read from storage, by path.
        variant: which variant chose what the client left open; None: none was asked.
        note: how its files came about, for people, where there is something to say.
        base: the picture it works on, where another version of the run has it; then it is the file
            `base`.
    """

    files: Mapping[str, bytes]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, bytes] = field(default_factory=dict)
    variant: str | None = None
    note: str | None = None
    base: Base | None = None


def body_schema(
    form: Form, help_: str, example: Mapping[str, Any], numbers: Collection[str] = ()
) -> dict[str, Any]:
    """Return a body for the OpenAPI page: a form with files, or JSON with their paths.

    Args:
        form: what it may bring.
        help_: of its parameters.
        example: of the JSON.
        numbers: which texts are integers in JSON.
    """

    def schema(file: dict[str, str], parameters: str) -> dict[str, Any]:
        properties: dict[str, Any] = {name: {"type": "string", **file} for name in form.fields}
        properties |= {name: {"type": "string"} for name in form.texts}
        if parameters == "object":
            properties |= {name: {"type": "integer"} for name in numbers}
        properties[PARAMETERS] = {"type": parameters, "description": help_}
        required = [name for name, needed in form.fields.items() if needed]
        bounds = {"required": required, "additionalProperties": False}
        return {"type": "object", **bounds, "properties": properties}

    files, stored = schema({"format": "binary"}, "string"), schema({}, "object")
    parameters = json.dumps(example[PARAMETERS])
    content = {
        FORM: {"schema": files, "example": {PARAMETERS: parameters}},
        _JSON: {"schema": stored, "example": dict(example)},
    }
    return {"requestBody": {"required": True, "content": content}}


async def read_order(
    request: Request,
    kind: Form,
    uid: str,
    files: Files,
    contract: JobContract,
    numbers: Collection[str] = (),
) -> Order:
    """Return what a POST orders.

    Args:
        request: with a multipart form or a JSON object.
        kind: of job, or another form.
        uid: whose; files in storage must be this user's.
        files: the storage.
        contract: bounds of the job.
        numbers: which of its texts are integers in JSON.

    Raises:
        PawfectError: INVALID_ARG for anything that is missing, unknown, twice there, or of another
            type; DEADLINE for a body that comes too slowly.
    """
    if media_of(request) == FORM:
        async with in_time():
            given = await _form(request, kind)
    else:
        given = _numbers_told(await read_json(request, f"{FORM} or {_JSON}"), numbers)
    _check_names(given, kind)
    parameters = _parameters(given.get(PARAMETERS, {}), kind, contract)
    texts = {name: given[name] for name in kind.texts if given.get(name) is not None}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise invalid(name, "a text", type(text).__name__)
    contents = {name: given[name] for name in kind.fields if given.get(name) is not None}
    stored = {}
    for name, content in contents.items():
        if not isinstance(content, bytes):
            contents[name] = await _stored(name, content, uid, files)
            stored[content] = contents[name]
    return Order(contents, parameters, texts, stored)


def _numbers_told(given: dict[str, Any], numbers: Collection[str]) -> dict[str, Any]:
    """Return what JSON brings with its integers as a form has them; INVALID_ARG for others."""
    told = {name: given[name] for name in numbers if given.get(name) is not None}
    for name, number in told.items():
        if type(number) is not int:
            raise invalid(name, "an integer", type(number).__name__)
    return {**given, **{name: str(number) for name, number in told.items()}}


async def read_file(request: Request, name: str) -> bytes:
    """Return the one file of a form; raises as `read_order`."""
    form = _OneFile({name: True})
    if media_of(request) != FORM:
        raise invalid("Content-Type", FORM, media_of(request)[:80])
    async with in_time():
        given = await _form(request, form)
    if PARAMETERS in given:
        raise invalid("request", f"{name} alone", PARAMETERS)
    _check_names(given, form)
    data = given[name]
    if not isinstance(data, bytes):
        raise invalid(name, "a file", "the other")
    return data


@dataclass(frozen=True)
class _OneFile:
    """A form with files alone."""

    fields: Mapping[str, bool]
    texts: tuple[str, ...] = ()

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> Mapping[str, Any]:
        """Raise INVALID_ARG: there are no parameters."""
        raise invalid(PARAMETERS, "none", "some")


async def read_json(
    request: Request, expected: str | None = None, at_most: int = MAX_TEXT
) -> dict[str, Any]:
    """Return the JSON object that a request brings.

    Args:
        request: with the object.
        expected: the media types that are taken, for messages; None: JSON alone.
        at_most: longest one, bytes.

    Raises:
        PawfectError: INVALID_ARG for anything else, or one that is too long; DEADLINE for a body
            that comes too slowly.
    """
    media = media_of(request)
    if media != _JSON:
        raise invalid("Content-Type", expected or _JSON, media[:80])
    async with in_time():
        return strict_json(await _text(request, at_most), "body")


def media_of(request: Request) -> str:
    """Return the media type of a request's body, without its parameters.

    Raises:
        PawfectError: INVALID_ARG where it says another charset than UTF-8: what reads forms would
            read them by any codec of that name.
    """
    given = request.headers.get("content-type", "")
    _, parameters = parse_options_header(given)
    charset = parameters.get(b"charset", b"utf-8").lower()
    if charset not in (b"utf-8", b"utf8"):
        raise invalid(
            "Content-Type", "charset=utf-8, or none", repr(charset.decode("latin-1")[:40])
        )
    return given.partition(";")[0].strip().lower()


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Give a body its time; ApiError 408 where it takes longer, CANCELLED where nobody sends it."""
    try:
        async with asyncio.timeout(BODY_S):
            yield
    except TimeoutError:
        late = f"body: expected all of it within {BODY_S:g} s"
        raise ApiError(408, ErrorKind.DEADLINE, late, {"Connection": "close"}) from None
    except ClientDisconnect:
        raise PawfectError(ErrorKind.CANCELLED, "body: the client left") from None


async def _form(request: Request, kind: Form) -> dict[str, Any]:
    given: dict[str, Any] = {}
    texts = (PARAMETERS, *kind.texts)
    async with request.form(
        max_files=len(kind.fields), max_fields=len(texts), max_part_size=MAX_TEXT
    ) as form:
        for name, value in form.multi_items():
            if name in given:
                raise invalid(name, "once", "twice")
            if isinstance(value, UploadFile) and name in texts:
                raise invalid(name, "a text", "the other")
            if not isinstance(value, UploadFile) and name in kind.fields:
                raise invalid(name, "a file", "the other")
            given[name] = await value.read() if isinstance(value, UploadFile) else value
    if PARAMETERS in given:
        given[PARAMETERS] = strict_json(given[PARAMETERS], PARAMETERS)
    return given


async def _text(request: Request, at_most: int) -> bytes:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > at_most:
            raise invalid("body", f"at most {at_most} bytes of JSON", "more")
    return data


def _check_names(given: Mapping[str, Any], kind: Form) -> None:
    known = [*kind.fields, PARAMETERS, *kind.texts]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise invalid("request", f"some of {', '.join(known)}", ", ".join(unknown)[:200])
    for name, required in kind.fields.items():
        if required and given.get(name) is None:
            raise invalid(name, "a file", "none")


def _parameters(given: Any, kind: Form, contract: JobContract) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise invalid(PARAMETERS, "an object", type(given).__name__)
    return kind.checked(given, contract.fill_s)


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
