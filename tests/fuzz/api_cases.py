"""Requests that schemathesis makes of the API's own OpenAPI page, aimed so that some hit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisDeprecationWarning
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.core import NOT_SET
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks as of_openapi

from harness.fuzz.leaks import leak
from pawfect.contract.errors import TABLE
from tests.fuzz.api import Served
from tests.service.stack import MASK, PHOTO

# Files as texts: schemathesis' own bytes are none of what its validator of bodies knows.
schemathesis.openapi.format(
    "binary", st.binary(max_size=200).map(lambda data: data.decode("latin-1"))
)
# The one user and session, and the run of `Known`, that requests are aimed at.
USER, SESSION = "u", "s"
# A stream of a job that is over ends; one of a job that waits does not, s.
PATIENCE_S: Final = 30.0
# Server errors that the table allows, and why the fuzzed API has each: 503, since no server is
# there, or lacks what is asked for; 504, since one is busy.
ALLOWED: Final = frozenset(
    row.http_status for row in TABLE.values() if row.http_status in (503, 504)
)


# Forms that are taken, by the end of their route.
_GOOD: Final[dict[str, dict[str, Any]]] = {
    "inpaint": {"photo": PHOTO, "mask": MASK, "parameters": '{"seed": 3}'},
    "runs": {"photo": PHOTO},
    "search": {"mask": MASK},
    "cutout": {"parameters": "{}"},
    "files": {"file": PHOTO},
    "masks": {"photo": PHOTO, "subject": "true"},
}


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
        url: of the API.
        run: a run's id.
        job: the id of its first job.
    """

    url: str
    run: str
    job: str

    def cancel(self) -> None:
        """Have no job of these go on."""
        for path in (f"/v1/users/{USER}/sessions/{SESSION}", f"/api/v1/runs/{self.run}"):
            requests.delete(self.url + path, timeout=PATIENCE_S)


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
        operation.as_strategy(generation_mode=mode) for mode in (modes.POSITIVE, modes.NEGATIVE)
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
        send(case, known, found)

    with _quietly():
        one()


@contextmanager
def _quietly() -> Iterator[None]:
    """Let schemathesis draw from `random` in its strategies, of which hypothesis warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisDeprecationWarning)
        yield


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
        form = _is_form(case)
        there = {
            name: picture if form else f"users/{USER}/sessions/{SESSION}/original.jpg"
            for name, picture in pictures.items()
            if name in case.body
        }
        case.body.update(there)
        if aim & 4 and case.operation.label == "POST /api/v1/runs":
            case.query = {"kind": ("import", "cutout")[aim & 1], "user": USER}
        last = case.operation.path.rsplit("/", 1)[-1]
        if aim & 4 and form and last in _GOOD:
            # As good as it gets: what was made up stands in none of its fields.
            case.body = dict(_GOOD[last])


def _is_form(case: Any) -> bool:
    return str(case.media_type).startswith("multipart/")


def send(case: Any, known: Known, found: Found) -> None:
    """Send a request, and note what is wrong with its answer."""
    if case.operation.label.endswith("/events"):
        # A stream ends with its job.
        known.cancel()
    try:
        response = case.call(timeout=PATIENCE_S, **as_form(case))
    except requests.Timeout:
        label = case.operation.label
        found.problems.setdefault(f"{label}: no answer", case.as_curl_command()[:600])
        return
    note(case, response, found)


def as_form(case: Any) -> dict[str, Any]:
    """Return the form of a case that brings real pictures, as `requests` sends it; else nothing.

    schemathesis itself sends them as texts where a body's schema is one of several.
    """
    brings = isinstance(case.body, dict) and _is_form(case)
    if not brings or not any(isinstance(part, bytes) for part in case.body.values()):
        return {}
    parts, case.body = case.body, NOT_SET
    return {
        "files": {name: part for name, part in parts.items() if isinstance(part, bytes)},
        "data": {name: str(part) for name, part in parts.items() if not isinstance(part, bytes)},
    }


def note(case: Any, response: Any, found: Found) -> None:
    """Note what is wrong with an answer."""
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


def follow(api: Served, known: Known, examples: int, steps: int) -> Found:
    """Follow the schema's links: what a POST made is looked at, cancelled, looked at again.

    Args:
        api: the running API.
        known: what is there.
        examples: walks.
        steps: of each, at most.
    """
    found = Found()
    # Streams of what was just made do not end: no worker is there.
    schema = schema_of(api).exclude(path_regex="/events$")
    # A walk begins where something was made; bad data has `fuzz`.
    schema.config.generation.update(modes=[schemathesis.GenerationMode.POSITIVE])

    class Walk(schema.as_state_machine()):  # type: ignore[misc]
        """A walk; the one user's pictures and ids stand in for made-up ones."""

        def before_call(self, case: Any) -> None:
            aimed(case, 6, known)
            if "uid" in case.path_parameters and case.method == "POST":
                case.path_parameters["uid"] = USER

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"timeout": PATIENCE_S, **as_form(case)}

        def validate_response(self, response: Any, case: Any, *given: Any, **named: Any) -> None:
            note(case, response, found)

    walks = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    with _quietly():
        run_state_machine_as_test(Walk, settings=walks)
    return found
