"""What another site's page could have a browser do, and what a browser may do with our answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.http.sign_in import COOKIE, SignIns
from pawfect_service.worker.push import create_push_app
from tests.service.api.runs.runs import RUNS
from tests.service.stack import PHOTO, ROUTE, running
from tests.service.worker.test_push import PUSH, envelope

EVIL = {"origin": "https://evil.example"}
KEY, LINE = new_api_key("phone", "u")
WEB = Path(__file__).parents[3] / "web"


def directives(answer: httpx.Response) -> dict[str, list[str]]:
    """A Content-Security-Policy by its directives."""
    said = answer.headers["content-security-policy"].split(";")
    return {name: rest for name, *rest in (part.split() for part in said)}


async def test_no_answer_lets_another_sites_page_read_it(alone):
    asked = {"access-control-request-method": "DELETE", **EVIL}
    preflight = await alone.http.options(RUNS, headers=asked)
    read = await alone.http.get("/api/v1/studio", headers={"host": str(alone.http.base_url.netloc)})
    for answer in (preflight, read, await alone.http.get("/healthz", headers=EVIL)):
        named = [name for name in answer.headers if name.startswith("access-control-")]
        assert named == []
    assert preflight.status_code in (403, 405)


async def test_a_socket_by_cookie_is_for_this_sites_own_page(store, nowhere):
    keys = ApiKeys([LINE])
    async with running(store, nowhere, [keys, SignIns(keys)]) as stack:
        own = {"x-api-key": KEY}
        run = await stack.http.post(f"{RUNS}?kind=import", files={"photo": PHOTO}, headers=own)
        job = run.json()["versions"][0]["jobId"]
        cookie = {"cookie": f"{COOKIE}={SignIns(keys).cookie(KEY)}"}
        here = str(stack.http.base_url).rstrip("/")
        address = f"{here.replace('http', 'ws')}/api/v1/ws/{job}"
        for origin in ({}, EVIL, {"origin": "null"}, {"origin": "http://127.0.0.1:1"}):
            with pytest.raises(InvalidStatus) as caught:
                async with connect(address, additional_headers=cookie | origin, proxy=None):
                    pass
            assert caught.value.response.status_code == 403
        headers = cookie | {"origin": here}
        async with connect(address, additional_headers=headers, proxy=None) as socket:
            assert json.loads(await socket.recv())["type"] in ("state", "log")


async def test_a_socket_without_credentials_is_for_this_machines_pages(alone):
    assert (await alone.post()).status_code == 202
    address = str(alone.http.base_url).replace("http", "ws").rstrip("/") + f"{ROUTE}/ws"
    for headers in (EVIL, {"host": "rebound.example"}):
        with pytest.raises(InvalidStatus) as caught:
            async with connect(address, additional_headers=headers, proxy=None):
                pass
        assert caught.value.response.status_code in (400, 403)


async def test_a_sign_in_is_json_which_no_form_of_another_site_sends(store, nowhere):
    keys = ApiKeys([LINE])
    async with running(store, nowhere, [keys, SignIns(keys)]) as stack:
        body = json.dumps({"key": KEY})
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            headers = {"content-type": kind} if kind else {}
            answer = await stack.http.post("/api/v1/sign-in", content=body, headers=headers)
            assert answer.status_code == 400, kind
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("headers", [EVIL, {"host": "rebound.example"}, {"origin": "null"}])
async def test_no_page_has_a_browser_push_to_a_worker_without_credentials(alone, headers):
    app = create_push_app(alone.services, alone.handler(), None, 1)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8090"
    ) as http:
        body = json.dumps(envelope(b"poison"))
        # As a page elsewhere may send it without asking.
        plain = {"content-type": "text/plain", **headers}
        answer = await http.post(PUSH, content=body, headers=plain)
        assert answer.status_code == 403, answer.text
        assert await alone.services.stores.queue.dead_letters(10) == []
        assert (await http.post(PUSH, content=body)).status_code == 204
        for path in ("/docs", "/redoc"):
            assert (await http.get(path)).status_code == 404, "a worker has no page"


async def test_what_is_served_is_a_picture_and_nothing_that_runs(alone):
    """A photo whose bytes are HTML too is served as what its name says, in a sandbox."""
    html = b"<script>alert(1)</script>"
    photo = PHOTO[:2] + b"\xff\xfe" + (len(html) + 2).to_bytes(2, "big") + html + PHOTO[2:]
    assert (await alone.post(photo=photo)).status_code == 202
    run = await alone.http.post(f"{RUNS}?kind=import&user=u", files={"photo": photo})
    first = f"{RUNS}/{run.json()['runId']}/files/original.jpg?version=0"
    for url in (f"{ROUTE}/files/original.jpg", first):
        answer = await alone.http.get(url)
        assert html in answer.content
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert directives(answer)["default-src"] == ["'none'"]
        assert directives(answer)["sandbox"] == []
        assert directives(answer)["frame-ancestors"] == ["'none'"]


async def test_a_file_that_could_run_is_no_picture(alone):
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    for data in (svg, b"<?xml version='1.0'?>" + svg, b"<!doctype html><p>", b"%PDF-1.7"):
        answer = await alone.post(photo=data)
        assert answer.status_code == 400, data
        assert "photo: expected" in answer.json()["error"]["message"]
    assert await alone.files.list("users") == []


async def test_the_page_runs_its_own_scripts_alone_and_nobody_frames_it(store, nowhere, tmp_path):
    (tmp_path / "index.html").write_text('<meta name="n" content="__CSP_NONCE__">')
    async with running(store, nowhere, page=tmp_path) as stack:
        nonces = set()
        for path in ("/", "/runs/x"):
            answer = await stack.http.get(path)
            said = directives(answer)
            (nonce,) = re.findall(r'content="(.+)"', answer.text)
            nonces.add(nonce)
            assert said["script-src"] == ["'self'", f"'nonce-{nonce}'"]
            assert said["default-src"] == said["base-uri"] == said["form-action"] == ["'none'"]
            assert said["frame-ancestors"] == ["'none'"]
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(nonces) == 2, "each answer has its own"


def test_the_page_never_takes_a_text_for_html():
    """React shows texts as texts; these are its ways round that, and the browser's."""
    ways = re.compile(
        r"dangerouslySetInnerHTML|\b(inner|outer)HTML\b|insertAdjacentHTML|document\.write"
        r"|\beval\(|new Function\(|srcdoc|javascript:|DOMParser|createContextualFragment"
    )
    sources = [path for path in (WEB / "src").rglob("*.ts*") if path.is_file()]
    assert len(sources) > 80
    found = [path.name for path in sources if ways.search(path.read_text("utf-8"))]
    assert found == []


async def test_the_apis_own_page_runs_scripts_of_one_digest_alone(alone):
    answer = await alone.http.get("/docs")
    said = directives(answer)
    assert said["default-src"] == said["frame-ancestors"] == ["'none'"]
    assert said["connect-src"] == ["'self'"]
    place, nonce = said["script-src"]
    assert re.search(r"swagger-ui-dist@\d+\.\d+\.\d+/$", place), "one release, not the newest"
    tags = re.findall(r"<(?:script|link)\b[^>]*>", answer.text)
    assert len(tags) == 3
    for tag in tags:
        own = nonce.strip("'").removeprefix("nonce-")
        ours = f'nonce="{own}"' in tag
        theirs = re.search(r'integrity="sha384-[\w+/]{64}" crossorigin="anonymous"', tag)
        assert ours or (theirs and place in tag), tag
    assert (await alone.http.get("/redoc")).status_code == 404


async def test_no_cache_on_the_way_keeps_what_a_key_or_a_cookie_opened(alone):
    assert (await alone.post()).status_code == 202
    for url in (ROUTE, RUNS, "/api/v1/studio", "/v1/users/u/sessions/none", "/none"):
        answer = await alone.http.get(url)
        assert answer.headers["cache-control"] == "no-store", url
        assert answer.headers["x-content-type-options"] == "nosniff"
    file = await alone.http.get(f"{ROUTE}/files/original.jpg")
    assert file.headers["cache-control"] == "private, no-cache"


async def test_no_answer_names_the_host_that_a_request_named(alone):
    """What it names may be kept by a cache, or followed by another client."""
    given = {"host": "localhost:1234", "x-forwarded-host": "evil.example"}
    made = await alone.http.post(f"{RUNS}?kind=import", files={"photo": PHOTO}, headers=given)
    assert made.status_code == 202
    for url in (RUNS, f"{RUNS}/", "/docs/", "/openapi.json", f"{RUNS}/{made.json()['runId']}/"):
        answer = await alone.http.get(url, headers=given)
        assert answer.status_code in (200, 404), url
        text = answer.text + str(answer.headers)
        assert "localhost:1234" not in text
        assert "evil.example" not in text
    assert made.headers["location"].startswith("/api/v1/runs/")
