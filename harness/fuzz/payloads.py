"""Readers of texts and messages: the API's bodies, the queue, stored documents, judges."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from harness.fuzz.target import Target, any_way
from pawfect.contract.candidates import read_done
from pawfect.contract.errors import ErrorKind
from pawfect.contract.refine import TYPES, read_payload
from pawfect.contract.search_report import Candidate
from pawfect.judges import moondream
from pawfect.judges.answers import read_answer
from pawfect.judges.retry_after import retry_after_s, retry_delay_s
from pawfect_service.api.runs.listing import cursor_of, read_cursor
from pawfect_service.api.runs.refining import RefineRequest
from pawfect_service.api.state import state_of
from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.jobs.comparing import ranks_of
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.document import from_document
from pawfect_service.jobs.kinds import INPAINT, KINDS
from pawfect_service.jobs.message import JobMessage, read_message
from pawfect_service.jobs.moves import queue_job
from pawfect_service.jobs.paths import RunId, parse_job_id
from pawfect_service.sessions import deciding
from pawfect_service.stores.base import RunMark
from pawfect_service.stores.embedded.documents import document_of
from pawfect_service.strict import refused, strict_json
from pawfect_service.telemetry.traces import context_of
from pawfect_service.variants.answers import figures_of
from pawfect_service.variants.file import parse_variants
from pawfect_service.worker.push import read_envelope

# What JSON's readers stumble over: numbers that no float holds, halves of letters, depth.
JSON_TOKENS: Final = (
    b"null", b"true", b"[]", b"{}", b'""', b"-1", b"0", b"1e999", b"-0.0", b"NaN", b"Infinity",
    b"9" * 400, b"-" + b"9" * 400, b"9" * 5000, b"1.5", b'"\\ud800"', b'"\\u0000"', b"[" * 3000,
    b'{"a":' * 3000, b"\xff", b"\xed\xa0\x80", b'"/etc/passwd"', b'"../../x"', b'"\\u202e"',
    b",", b":", b'"', b'{"a":1,"a":2}', b"18446744073709551616", b"2147483648", b"0.1",
)  # fmt: skip
TOML_TOKENS: Final = (
    b"[[", b"]]", b"= 1e999", b"= nan", b"= -inf", b"= 9" + b"9" * 400, b"= 9" + b"9" * 5000,
    b'"\\u0000"', b"= [" * 3000, b"= 1979-05-27T07:32:00Z", b"= 1979-02-30", b"'''", b"\0", b"\r",
    b"a.b.c = 1", b"= {a = 1}", b"= true", b'= ""', b"=", b"\xff", b"[" * 3000, b"0x" + b"f" * 400,
)  # fmt: skip
_MESSAGE: Final = JobMessage("u-1", "s-1", "j-1").to_bytes()


def dumped(*values: Any) -> list[bytes]:
    """Return values as JSON texts."""
    return [json.dumps(value).encode() for value in values]


def _document() -> dict[str, Any]:
    """Return the document of a session whose job is pending."""
    queue = partial(queue_job, job="j1", kind=INPAINT, request={"seed": 3})
    change = deciding("u", "s", JobContract(), queue)(None, 1e9)
    made: dict[str, Any] = json.loads(json.dumps(change.document))
    return made


def _documents() -> list[bytes]:
    plain = _document()
    report = json.dumps({"candidates": [{"number": 1, "potential": 3.5}], "sharpness": 0.5})
    failed = {
        **plain,
        "processingStatus": "failed",
        "expiresAt": None,
        "error": {"kind": "INTERNAL", "message": "x"},
    }
    return dumped(plain, {**plain, "report": report}, failed, {**plain, "mine": [1, {"a": None}]})


def _read_document(data: bytes) -> None:
    """Do with a stored body what the API, the workers and the reports on variants do."""
    document = document_of(data.decode("utf-8", "replace"))
    figures_of([document], None, "inpaint")
    report = document.get("report")
    ranks_of(report if isinstance(report, str) else None)
    session = from_document("u", "s", document)
    # As an answer.
    state_of("u", "s", session).model_dump_json(by_alias=True)


def _parameters(data: bytes) -> None:
    """Check parameters as the API does for each kind of job."""
    given = strict_json(data, "parameters")
    any_way([partial(kind.checked, given, 180.0) for kind in KINDS.values()])


def _refine(data: bytes) -> None:
    """Read the body of a refinement as the API does, and its payload as the model does."""
    try:
        asked = RefineRequest.model_validate(strict_json(data, "request"))
    except ValidationError as error:
        raise refused(error, "request") from None
    read_payload(asked.type, json.dumps(asked.payload, ensure_ascii=False), 640, 480)


def _payload(data: bytes) -> None:
    """Read a payload as the model does, as each type of repair."""
    any_way([partial(read_payload, kind, data, 640, 480) for kind in TYPES])


def _done(data: bytes) -> None:
    """Read a finished candidate that a request brings along, as the model does."""
    box = np.array([0, 0, 64, 64], np.int32)
    pictures = np.zeros((1, 64, 64, 3), np.uint8)
    texts = np.array([data], np.object_)
    read_done({"DONE": texts, "DONE_IMAGES": pictures, "DONE_BOX": box}, 64, 64)


def _ids(data: bytes) -> None:
    """Read what stands in paths and queries."""
    text = data.decode("latin-1")
    RunId.parse(text)
    parse_job_id(text)
    context_of({"traceparent": text, "tracestate": text})
    retry_after_s(text)
    read_cursor(text)


def _answer(data: bytes) -> None:
    """Read what a judge says, and why it refused."""
    text = data.decode("utf-8", "replace")
    moondream._why(data)
    with contextlib.suppress(ValueError, RecursionError):
        retry_delay_s(json.loads(text))
    read_answer(text, ("consistency", "realism"), ("seam",))


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: read(data.decode("utf-8", "replace"))


_CANDIDATE: Final = Candidate(number=1, phase="global", seed=7, variation="seed")
_VARIANTS: Final = b"""salt = "s"
[staging]
users = ["u-1"]
[rule]
answers = 20
failed = 0.2
[[variants]]
name = "soft-edges"
kind = "cutout"
share = 12.5
parameters = {threshold = 0.5, edges = "none"}
"""

PAYLOADS: Final = (
    Target("message", lambda: [_MESSAGE], read_message, tokens=JSON_TOKENS),
    Target(
        "envelope",
        lambda: dumped(
            {
                "message": {
                    "messageId": "7",
                    "data": base64.b64encode(_MESSAGE).decode(),
                    "attributes": {"traceparent": "00-0"},
                },
                "subscription": "s",
            }
        ),
        lambda data: read_message(read_envelope(data).data),
        tokens=JSON_TOKENS,
    ),
    Target("stored-document", _documents, _read_document, tokens=JSON_TOKENS),
    Target(
        "parameters",
        lambda: dumped(
            {"seed": 7, "guidance_scale": 2.5, "deadline_ms": 30000, "engine": "auto"},
            {"strength": 0.5, "steps": 4, "match_colour": True, "protect": "none"},
            {"k_global": 3, "consent": True, "preset": "photoreal"},
            {"output": "white", "quality": 90},
            {"creativity": 3, "remote": False},
        ),
        _parameters,
        tokens=JSON_TOKENS,
    ),
    Target(
        "refine-request",
        lambda: dumped(
            {
                "type": "region",
                "payload": {"masks": [{"bbox": [1, 2, 30, 40], "prompt": "grass"}]},
                "creativity": 3,
                "base": 0,
                "parameters": {"seed": 3},
            },
            {"type": "subject", "payload": {"instructions": "sit", "referenceFileId": "ref-1"}},
        ),
        _refine,
        tokens=JSON_TOKENS,
    ),
    Target(
        "refine-payload",
        lambda: dumped(
            {"masks": [{"bbox": [1, 2, 30, 40]}, {"mask": 0, "prompt": "grass"}]},
            {"corrections": [{"bbox": [1, 2, 30, 40], "text": "OPEN"}], "instructions": "x"},
            {"instructions": "sit down", "referenceFileId": "a"},
            {"prompt": "warmer"},
        ),
        _payload,
        tokens=JSON_TOKENS,
    ),
    Target(
        "candidate",
        lambda: [
            _CANDIDATE.to_json().encode(),
            replace(_CANDIDATE, scores={"realism": 3.5}).to_json().encode(),
        ],
        _done,
        tokens=JSON_TOKENS,
    ),
    Target(
        "judge-answer",
        lambda: [
            b'Sure:\n```json\n{"consistency": 7.5, "realism": 8, "flaws": ["seam"]}\n```',
            b'{"consistency": 7.5, "realism": 8, "flaws": ["seam"], "remark": "x"}',
            b'{"error": {"details": [{"retryDelay": "13s"}], "message": "no"}}',
        ],
        _answer,
        kinds=(ErrorKind.INTERNAL,),
        tokens=JSON_TOKENS,
    ),
    Target(
        "ids",
        lambda: [
            cursor_of(RunMark(1e9, RunId.new("u").sid(1))).encode(),
            str(RunId.new("u-4711")).encode(),
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"Wed, 21 Oct 2026 07:28:00 GMT",
        ],
        _ids,
        tokens=(b"=", b"..", b"/", b"%2e", b"9" * 5000, b"\xb2", b"W1tbW1s", b"-0001", b"\0"),
    ),
    Target(
        "variants",
        lambda: [_VARIANTS],
        _text(parse_variants),
        tokens=TOML_TOKENS,
    ),
    Target(
        "api-keys",
        lambda: ["\n".join(new_api_key("k", "u-1", admin=True)[1:] + ("# x",)).encode()],
        _text(lambda text: ApiKeys(text.splitlines())),
        tokens=(b"*", b"admin", b"#", b"\n", b"..", b"\x85", b"\xe2\x80\xa8", b"\0", b" "),
    ),
)
