"""Requests that schemathesis makes of the API's own OpenAPI page, aimed so that some of them hit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks as of_openapi

from harness.fuzz.leaks import leak
from pawfect.contract.errors import TABLE
from tests.fuzz.api import Served
from tests.service.stack import MASK, PHOTO

# The one user and session, and the run of `Known`, that requests are aimed at.
USER, SESSION = "u", "s"
# A stream of a job that is over ends; one of a job that waits does not, s.
PATIENCE_S: Final = 30.0
# Server errors that the table allows, and why the fuzzed API has each: 503, since no server is
# there, or lacks what is asked for; 504, since one is busy.
ALLOWED: Final = frozenset(
    row.http_status for row in TABLE.values() if row.http_status in (503, 504)
)


@dataclass
class Found:
    """What was sent to each operation, and what was wrong.

    Attributes:
        statuses: of the answers, by operation.
        problems: each once, by what it is.
    """

    statuses: dict[str, set[int]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What is there, so that requests find something.

    Attributes:
        run: a run's id.
        job: the id of its first job.
    """

    run: str
    job: str


def schema_of(api: Served) -> Any:
    """Return the API's own OpenAPI page as schemathesis reads it."""
    schema = schemathesis.openapi.from_dict(api.schema)
    schema.config.update(base_url=api.url)
    return schema


def no_leak(ctx: Any, response: Any, case: Any) -> None:
    """Raise where an answer tells a traceback or a path, or is no error of the table's form."""
    del ctx
    sent = f"{response.request.url} {response.request.body!r} {case.path_parameters} {case.body!r}"
    if found := leak(response.text if response.status_code >= 400 else "", sent):
        raise AssertionError(f"an answer that tells {found!r}")
    if response.status_code >= 400 and response.request.method != "HEAD":
        body = response.json()
        assert set(body) == {"error"}, body
        assert set(body["error"]) == {"kind", "message"}, body
        assert body["error"]["kind"] in {kind.name for kind in TABLE}, body
    if response.status_code >= 500:
        assert response.status_code in ALLOWED, f"{response.status_code}: {response.text[:300]}"


CHECKS: Final = [
    of_openapi.status_code_conformance,
    of_openapi.content_type_conformance,
    of_openapi.response_headers_conformance,
    of_openapi.response_schema_conformance,
    no_leak,
]


def fuzz(api: Served, known: Known, examples: int, only: Callable[[str], bool] = bool) -> Found:
    """Send requests to each operation, as good as the schema says and not.

    Args:
        api: the running API.
        known: what is there.
        examples: requests to each operation, half of them good.
        only: says whether an operation, such as "GET /healthz", is meant.
    """
    found = Found()
    for result in schema_of(api).get_all_operations():
        operation = result.ok()
        if only(operation.label):
            _fuzz_operation(operation, known, examples, found)
    return found


def _fuzz_operation(operation: Any, known: Known, examples: int, found: Found) -> None:
    modes = schemathesis.GenerationMode
    made = st.one_of(
        _drawn(operation.as_strategy(generation_mode=mode))
        for mode in (modes.POSITIVE, modes.NEGATIVE)
    )

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=made, aim=st.integers(0, 7))
    def one(case: Any, aim: int) -> None:
        aimed(case, aim, known)
        send(case, found)

    one()


@st.composite
def _drawn(draw: Any, strategy: Any) -> Any:
    """Draw a case; one that schemathesis itself trips over, of a broken form of files, is none."""
    try:
        return draw(strategy)
    except ValueError as error:
        if "Binary" not in str(error):
            raise
        reject()


def aimed(case: Any, aim: int, known: Known) -> None:
    """Have a request name what is there, and bring real pictures, as `aim` says by its bits."""
    if aim & 1 and isinstance(case.path_parameters, dict):
        there = {"uid": USER, "sid": SESSION, "run_id": known.run, "job_id": known.job}
        case.path_parameters.update(
            {name: value for name, value in there.items() if name in case.path_parameters}
        )
        if "name" in case.path_parameters and aim & 4:
            case.path_parameters["name"] = "original.jpg"
        if "version" in case.path_parameters and aim & 4:
            case.path_parameters["version"] = 1
    if aim & 2 and isinstance(case.body, dict):
        pictures = {"photo": PHOTO, "mask": MASK, "file": PHOTO, "reference": PHOTO}
        for name in pictures.keys() & case.body.keys():
            stored = f"users/{USER}/sessions/{SESSION}/original.jpg"
            case.body[name] = pictures[name] if _is_form(case) else stored
        if aim & 4 and _is_form(case):
            case.body["parameters"] = json.dumps({"seed": aim})


def _is_form(case: Any) -> bool:
    return str(case.media_type).startswith("multipart/")


def send(case: Any, found: Found) -> None:
    """Send a request, and note what is wrong with its answer."""
    response = case.call(timeout=PATIENCE_S)
    label = case.operation.label
    found.statuses.setdefault(label, set()).add(response.status_code)
    try:
        case.validate_response(response, checks=CHECKS)
    except (Failure, FailureGroup, AssertionError) as failure:
        for text in _texts(failure):
            key = f"{label}: {text.splitlines()[0]}"
            found.problems.setdefault(key, f"{text}\n{case.as_curl_command()[:600]}")


def _texts(failure: BaseException) -> Iterator[str]:
    if isinstance(failure, FailureGroup):
        for one in failure.exceptions:
            yield from _texts(one)
    else:
        yield f"{type(failure).__name__}: {failure}"
