"""Nobody reaches what is somebody else's, by any method of any route that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.http.sign_in import COOKIE, SignIns
from tests.service.api.runs.runs import RUNS
from tests.service.stack import PHOTO, Stack, running
from tests.service.threats.routes import BY_BODY, METHODS, OPEN, SOCKET, Route, routes_of

MINE, MY_LINE = new_api_key("mine", "u")
ADMIN, ADMIN_LINE = new_api_key("ops", "u", admin=True)
THEIRS, THEIR_LINE = new_api_key("theirs", "v")
NO_RUN = f"{'0' * 32}.v"


@dataclass(frozen=True)
class Theirs:
    """An API on which user `v` has a session and a run, and what fills the routes' parameters.

    Attributes:
        stack: the API; `u` is another user of it.
        there: for what `v` has.
        missing: for what nobody has.
    """

    stack: Stack
    there: dict[str, str]
    missing: dict[str, str]

    async def answer(self, route: Route, values: dict[str, str], **headers: str) -> tuple[int, str]:
        """Status and text of the answer, with the names of what was asked for left out."""
        url = route.url(values)
        if route.method == SOCKET:
            status, text = await _denied(self.stack, url, headers)
        else:
            answer = await self.stack.http.request(route.method, url, headers=headers)
            status, text = answer.status_code, answer.text
        for value in values.values():
            text = text.replace(value, "...")
        return status, text


async def _denied(stack: Stack, url: str, headers: dict[str, str]) -> tuple[int, str]:
    address = str(stack.http.base_url).replace("http", "ws").rstrip("/") + url
    try:
        async with connect(address, additional_headers=headers, proxy=None):
            return 101, ""
    except InvalidStatus as refused:
        return refused.response.status_code, bytes(refused.response.body or b"").decode()


@pytest.fixture
async def theirs(store, nowhere, tmp_path) -> AsyncIterator[Theirs]:
    keys = ApiKeys([MY_LINE, ADMIN_LINE, THEIR_LINE])
    ways = [keys, SignIns(keys)]
    async with running(store, nowhere, ways, audits=tmp_path / "audits") as stack:
        own = {"x-api-key": THEIRS}
        stack.http.headers.update(own)
        assert (await stack.post(uid="v", sid="holiday")).status_code == 202
        run = (await stack.http.post(f"{RUNS}?kind=import", files={"photo": PHOTO})).json()
        del stack.http.headers["x-api-key"]
        others = {"name": "original.jpg", "token": "no-such-token"}
        there = {
            "uid": "v", "sid": "holiday", "run_id": run["runId"],
            "job_id": run["versions"][0]["jobId"], **others,
        }  # fmt: skip
        missing = {
            "uid": "v", "sid": "nothing", "run_id": NO_RUN,
            "job_id": NO_RUN.replace(".", "-0001."), **others,
        }  # fmt: skip
        yield Theirs(stack, there, missing)


async def test_every_route_is_open_for_a_reason_or_says_whose_it_is(theirs):
    found = list(routes_of(theirs.stack.app))
    described = (await theirs.stack.http.get("/openapi.json")).json()["paths"]
    told = {
        (method.upper(), path.replace("{name}", "{name:path}") if "{token}" in path else path)
        for path, methods in described.items()
        for method in methods
    }
    walked = {(route.method, route.path) for route in found}
    assert told - walked == set(), "the walk sees what the OpenAPI page has"
    assert set(OPEN) - walked == set(), "no reason without its route"
    for route in found:
        covered = route.is_open or route.names_owner or (route.method, route.path) in BY_BODY
        assert covered, f"{route}: say whose it is in its path or query, or why it is open"


async def test_what_is_another_users_is_refused_as_what_is_not_there(theirs):
    for route in routes_of(theirs.stack.app):
        if route.is_open or not route.names_owner:
            continue
        for key in (MINE, ADMIN):
            there = await theirs.answer(route, theirs.there, **{"x-api-key": key})
            missing = await theirs.answer(route, theirs.missing, **{"x-api-key": key})
            assert there[0] in (403, 404), (route, there)
            assert there == missing, route
            assert "another user's" in there[1] or "admin" in there[1], route


async def test_no_method_of_a_path_tells_of_another_users(theirs):
    mine, before = {"x-api-key": MINE}, await their_state(theirs)
    routes = [one for one in routes_of(theirs.stack.app) if not one.is_open and one.names_owner]
    known = {(one.method, one.path) for one in routes}
    for path in sorted({one.path for one in routes}):
        for method in METHODS:
            if (method, path) not in known:
                other = Route(method, path, ())
                status, text = await theirs.answer(other, theirs.there, **mine)
                assert status in (403, 404, 405), (other, status, text)
                assert "..." not in text, other
    assert await their_state(theirs) == before, "nothing was changed"


async def their_state(theirs: Theirs) -> list[object]:
    own = {"x-api-key": THEIRS}
    urls = ("/v1/users/v/sessions/holiday", f"{RUNS}/{theirs.there['run_id']}", RUNS)
    answers = [await theirs.stack.http.get(url, headers=own) for url in urls]
    assert {one.status_code for one in answers} == {200}
    states = [one.json() for one in answers]
    states[0].pop("sceneLabelsError"), states[0].pop("updatedAt")
    return states


async def test_without_a_valid_key_nothing_is_told(theirs):
    for route in routes_of(theirs.stack.app):
        if not route.is_open:
            status, text = await theirs.answer(route, theirs.there)
            assert status == 401, (route, text)
    for headers in (
        {"x-api-key": "wrong"},
        {"x-api-key": THEIR_LINE.split()[2]},
        {"authorization": f"Bearer {THEIRS}"},
        {"cookie": f"{COOKIE}=theirs.x"},
    ):
        answer = await theirs.stack.http.get(RUNS, headers=headers)
        assert answer.status_code == 401, (headers, answer.text)


async def test_a_routes_owner_is_let_in(theirs):
    """Else the refusals above would say nothing."""
    own = {"x-api-key": THEIRS}
    for route in routes_of(theirs.stack.app):
        if route.is_open or "audit" in route.path or route.path.endswith(("/ws", "/events")):
            continue
        if route.method in (SOCKET, "DELETE"):
            continue
        status, text = await theirs.answer(route, theirs.there, **own)
        assert status not in (401, 403, 405, 500), (route, status, text)


async def test_a_body_names_nothing_of_another_users(theirs):
    http, run = theirs.stack.http, theirs.there["run_id"]
    mine = {"x-api-key": MINE}
    for named in (run, NO_RUN):
        form = {"subject": (None, "true"), "run": (None, named)}
        asked = await http.post("/api/v1/masks", files=form, headers=mine)
        assert asked.status_code == 403
        assert (
            asked.json()["error"]["message"] == "uid: expected the caller's own, got another user's"
        )
    for path in ("users/v/sessions/holiday/original.jpg", "users/v/none.jpg"):
        order = {"photo": path, "mask": path}
        refused = await http.post("/v1/users/u/sessions/s/inpaint", json=order, headers=mine)
        assert refused.status_code == 400, refused.text
        assert refused.json()["error"]["message"].endswith("below users/u/, got another")
    own = await http.post(f"{RUNS}?kind=import", files={"photo": PHOTO}, headers=mine)
    uploaded = await http.post(
        f"{RUNS}/{run}/files", files={"file": PHOTO}, headers={"x-api-key": THEIRS}
    )
    assert uploaded.status_code == 201
    messages = set()
    for name in (uploaded.json()["fileId"], "0" * 32):
        order = {"type": "subject", "payload": {"referenceFileId": name, "instructions": "ears"}}
        path = f"{RUNS}/{own.json()['runId']}/refine"
        refused: httpx.Response = await http.post(path, json=order, headers=mine)
        assert refused.status_code == 400, refused.text
        messages.add(refused.text.replace(name, "..."))
    assert len(messages) == 1, messages
