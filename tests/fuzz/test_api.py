"""schemathesis against the API's own OpenAPI page, over a real port and the embedded store.

The API here has no Triton behind it, so that 503 is what the table of errors allows; the slow run
has the suite's server and a worker, and its jobs run.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.fuzz.json_mutated import json_mutated
from harness.fuzz.leaks import leak
from harness.local_server import free_ports
from tests.conftest import ServedProcess
from tests.fuzz.api import Served, served
from tests.fuzz.api_cases import ALLOWED, SESSION, USER, Found, Known, follow, fuzz
from tests.service.stack import MASK, PHOTO

ROUTE = f"/v1/users/{USER}/sessions/{SESSION}"
# Operations that take a body, of which JSON is read by hand.
BODIES = {
    f"{ROUTE}/inpaint": {"photo": "users/u/a.jpg", "mask": "users/u/b", "parameters": {"seed": 7}},
    "/api/v1/runs?kind=cutout&user=u": {"photo": "users/u/a.jpg", "parameters": {"quality": 9}},
    "/api/v1/runs/{run}/search": {"mask": "users/u/b", "base": 0, "parameters": {"seed": 7}},
    "/api/v1/runs/{run}/refine": {
        "type": "region",
        "payload": {"masks": [{"bbox": [1, 2, 30, 40], "prompt": "grass"}]},
        "creativity": 3,
        "base": 0,
        "parameters": {"seed": 3},
    },
    "/api/v1/runs/{run}/feedback": {"rating": 5, "comment": "good", "version": 1},
    "/api/v1/runs/{run}/comparisons": {"version": 1, "left": 1, "right": 2, "choice": "left"},
    "/api/v1/sign-in": {"key": "k"},
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API without a server behind it."""
    folder: Path = tmp_path_factory.mktemp("fuzzed-api")
    with served(f"embedded:{folder}", f"127.0.0.1:{free_ports(1)[0]}") as api:
        yield api


@pytest.fixture(scope="module")
def known(alone: Served) -> Known:
    return make(alone)


def make(api: Served) -> Known:
    """Make the session and the run that requests are aimed at, their jobs over."""
    with httpx.Client(base_url=api.url, trust_env=False, timeout=60) as http:
        made = http.post(f"{ROUTE}/inpaint", files={"photo": PHOTO, "mask": MASK})
        assert made.status_code == 202, made.text
        http.delete(ROUTE)
        run = http.post("/api/v1/runs?kind=import&user=u", files={"photo": PHOTO}).json()
        http.delete(f"/api/v1/runs/{run['runId']}")
    return Known(api.url, run["runId"], run["versions"][0]["jobId"])


def as_said(found: Found) -> None:
    assert not found.problems, "\n\n".join(found.problems.values())


def test_every_route_answers_as_its_page_says(alone: Served, known: Known) -> None:
    found = fuzz(alone, known, 2)
    as_said(found)
    assert set(found.statuses) == {
        f"{method.upper()} {path}"
        for path, operations in alone.schema["paths"].items()
        for method in operations
    }


@pytest.mark.slow
def test_every_route_answers_two_hundred_requests_as_its_page_says(
    alone: Served, known: Known
) -> None:
    found = fuzz(alone, known, 200)
    as_said(found)
    # It is no wall alone: good requests get through.
    for label, status in (
        ("POST /v1/users/{uid}/sessions/{sid}/inpaint", 202),
        ("POST /api/v1/runs", 202),
        ("GET /api/v1/runs/{run_id}", 200),
        ("POST /api/v1/runs/{run_id}/files", 201),
    ):
        assert status in found.statuses[label], (label, found.statuses[label])


@pytest.mark.slow
def test_what_a_post_made_is_looked_at_and_cancelled_by_the_links_of_its_page(
    alone: Served, known: Known
) -> None:
    found = follow(alone, known, 60, 8)
    as_said(found)
    looks = "GET /v1/users/{uid}/sessions/{sid}", "GET /api/v1/runs/{run_id}"
    assert any(200 in found.statuses.get(label, ()) for label in looks), found.statuses


@pytest.mark.slow
def test_with_a_server_and_a_worker_jobs_run_and_routes_still_answer_as_their_page_says(
    tmp_path: Path, server: ServedProcess
) -> None:
    with served(f"embedded:{tmp_path}", server.endpoints.grpc, working=True) as api:
        known = make(api)
        as_said(fuzz(api, known, 40))
        as_said(follow(api, known, 30, 8))


def hostile_bodies(api: Served, known: Known, each: int) -> dict[int, int]:
    """Send hostile JSON to the routes that read it; return how often each status came."""
    seen: dict[int, int] = {}
    with httpx.Client(base_url=api.url, trust_env=False, timeout=60) as http:
        for path, good in BODIES.items():
            rng = random.Random(path)
            for _ in range(each):
                body = json_mutated(rng, good)
                answer = http.post(
                    path.format(run=known.run),
                    content=body,
                    headers={"content-type": "application/json"},
                )
                sent = body.decode("latin-1") + path
                assert answer.status_code < 500 or answer.status_code in ALLOWED, (
                    path, body[:500], answer.text,
                )  # fmt: skip
                assert leak(answer.text, sent) is None, (body[:500], answer.text)
                seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
    return seen


def test_json_that_no_float_and_no_letter_can_hold_is_refused_in_words(
    alone: Served, known: Known
) -> None:
    assert hostile_bodies(alone, known, 8).get(400, 0) > 25


@pytest.mark.slow
def test_thousands_of_hostile_json_bodies_are_refused_in_words(alone: Served, known: Known) -> None:
    assert hostile_bodies(alone, known, 700).get(400, 0) > 2000
