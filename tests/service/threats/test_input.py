"""Headers, forms, JSON and addresses that a client may bend: refused in words, never a defect."""

from __future__ import annotations

import hmac
import io
import json
import logging
from collections.abc import Iterator
from urllib.parse import quote

import click
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.http.sign_in import SignIns
from pawfect_service.process.options import authenticators_of, push_check
from pawfect_service.telemetry.logs import JsonLines
from tests.service.api.runs.runs import RUNS
from tests.service.stack import HERE, MASK, PHOTO, ROUTE, Stack, running

POST = f"{ROUTE}/inpaint"
KEY, LINE = new_api_key("phone", "u")
# Of paths, of Windows, of Firestore, of shells and of Unicode; each is one part of an address.
TRICKS = (
    "..", "../v", "..\\v", "%2e%2e", "a\0b", "a\nb", "~", "C:\\x", "\\\\host\\x", "nul ", "con.",
    ".hidden", "__name__", "-", "x" * 129, "x" * 5000, "\u202egpj", "\uff0e\uff0e", "original.jpg/",
)  # fmt: skip
# What looks like one of them and is a plain name; nothing is there.
PLAIN = ("con.", "-")


def form(*parts: tuple[bytes, bytes], charset: str = "") -> dict[str, object]:
    """A multipart body, each part a head and its content, and its headers."""
    pieces = [b"--x\r\n%b\r\n\r\n%b\r\n" % part for part in parts]
    kind = "multipart/form-data; boundary=x" + (f"; charset={charset}" if charset else "")
    return {"content": b"".join(pieces) + b"--x--\r\n", "headers": {"content-type": kind}}


def field(name: bytes, text: bytes) -> tuple[bytes, bytes]:
    return b'Content-Disposition: form-data; name="%b"' % name, text


def file(name: bytes, data: bytes) -> tuple[bytes, bytes]:
    return b'Content-Disposition: form-data; name="%b"; filename="f"' % name, data


FILES = (file(b"photo", PHOTO), file(b"mask", MASK))


async def refused(stack: Stack, given: dict[str, object], message: str) -> None:
    answer = await stack.http.post(POST, **given)  # type: ignore[arg-type]
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["kind"] == "INVALID_ARG"
    assert message in error["message"], error


async def test_a_form_names_no_codec_of_its_own(alone):
    for charset in ("idna", "undefined", "utf-16", "unicode_escape", "punycode", "zlib", "utf-7"):
        given = form(*FILES, field(b"prompt", b"a" * 100), charset=charset)
        await refused(
            alone, given, f"Content-Type: expected charset=utf-8, or none, got '{charset}"
        )
    body = {"content": b"{}", "headers": {"content-type": "application/json; charset=utf-16"}}
    await refused(alone, body, "Content-Type: expected charset=utf-8")
    fine = form(*FILES, field(b"prompt", "Gräser".encode()), charset="UTF-8")
    assert (await alone.http.post(POST, **fine)).json()["prompt"] == "Gräser"


async def test_a_form_of_many_or_of_endless_parts_is_refused(alone):
    many = [field(b"a%d" % n, b"x") for n in range(500)]
    await refused(alone, form(*FILES, *many), "Too many fields")
    await refused(alone, form(*[file(b"photo", b"x")] * 500), "Too many files")
    await refused(alone, form(*FILES, field(b"prompt", b"x" * 20_000)), "exceeded maximum size")
    await refused(alone, form(field(b"x" * 100_000, b"x")), "Invalid multipart")
    headers = b"\r\n".join(b"A%d: b" % n for n in range(500))
    await refused(alone, form((headers, b"x")), "Invalid multipart")
    await refused(alone, form((b"A: b", b"x")), "name")
    nested = b"--y\r\nContent-Disposition: file; filename=a\r\n\r\nz\r\n--y--"
    mixed = field(b"photo", nested)[0] + b"\r\nContent-Type: multipart/mixed; boundary=y"
    await refused(alone, form((mixed, nested)), "photo: expected a file")
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data;"):
        await refused(alone, {"content": b"--x--", "headers": {"content-type": kind}}, "multipart")
    assert await alone.files.list("users") == []


async def test_json_of_any_shape_is_refused_in_words(alone):
    kind = {"content-type": "application/json"}
    for body in (
        b'{"\\ud800": 1}',
        b'{"photo": "users/u/\\ud800", "mask": "users/u/m.png"}',
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b"[" * 16_000,
        b'{"photo": "users/u/p", "mask": "users/u/m", "parameters": {"seed": 1e999}}',
        b'{"photo": "users/u/p", "mask": "users/u/m", "parameters": {"seed": NaN}}',
        b'{"photo": "users/u/p", "mask": "users/u/m", "parameters": {"seed": -Infinity}}',
        b'{"photo": "users/u/p", "parameters": {"seed": ' + b"9" * 5000 + b"}}",
        b'{"photo": "users/u/p", "photo": "users/u/q"}',
        b"\xef\xbb\xbf{}",
        json.dumps({"photo": "x" * 20_000}).encode(),
    ):
        await refused(alone, {"content": body, "headers": kind}, "expected")


async def test_a_name_that_plays_tricks_opens_nothing(alone):
    assert (await alone.post()).status_code == 202
    made = await alone.http.post(f"{RUNS}?kind=import&user=u", files={"photo": PHOTO})
    run = made.json()["runId"]
    token = run.partition(".")[0]
    for trick in TRICKS:
        # With its dots, which a client would take out of a path by itself.
        name = quote(trick, safe="").replace(".", "%2e")
        for path in (
            f"/v1/users/{name}/sessions/s",
            f"/v1/users/u/sessions/{name}",
            f"{ROUTE}/files/{name}",
            f"{RUNS}/{name}",
            f"{RUNS}/{token}.{name}",
            f"{RUNS}/{run}/files/{name}",
            f"/api/v1/jobs/{name}/preview.jpg",
            f"/assets/{name}",
            f"/{name}",
            f"{RUNS}?user={name}",
        ):
            answer = await alone.http.get(path)
            if "?" in path and trick in PLAIN:
                assert answer.json() == {"runs": [], "next": None}
                continue
            assert answer.status_code in (400, 404, 405), (path, answer.text)
            assert answer.json()["error"]["kind"] == "INVALID_ARG"
            assert str(alone.services) not in answer.text


async def test_a_file_of_the_folder_that_no_job_has_is_not_served(alone):
    assert (await alone.post()).status_code == 202
    await alone.files.put({f"{HERE}/left.jpg": PHOTO})
    for name in ("left.jpg", "edited.jpg"):
        assert (await alone.http.get(f"{ROUTE}/files/{name}")).status_code == 404


async def test_nobody_says_where_he_comes_from_to_guess_on(store, nowhere):
    keys = ApiKeys([LINE])
    async with running(store, nowhere, [keys, SignIns(keys)], rate="3/hour") as stack:
        asked = []
        for number in range(5):
            elsewhere = f"203.0.113.{number}"
            headers = {
                "x-api-key": f"guess{number}", "x-forwarded-for": elsewhere, "x-real-ip": elsewhere,
                "forwarded": f"for={elsewhere}", "cf-connecting-ip": elsewhere,
            }  # fmt: skip
            asked.append((await stack.http.get(ROUTE, headers=headers)).status_code)
        assert asked == [401] * 3 + [429] * 2


async def test_a_proxy_that_is_named_says_where_its_clients_come_from(store, nowhere, monkeypatch):
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
    async with running(store, nowhere, [ApiKeys([LINE])], rate="3/hour") as stack:
        for number in range(5):
            headers = {"x-api-key": "guess", "x-forwarded-for": f"203.0.113.{number}"}
            assert (await stack.http.get(ROUTE, headers=headers)).status_code == 401


async def test_a_key_is_compared_with_all_in_a_time_that_tells_nothing(monkeypatch):
    lines = [new_api_key(f"k{n}", "u")[1] for n in range(3)]
    keys, compared = ApiKeys([LINE, *lines]), []

    def noted(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", noted)
    assert keys.line_of(KEY).caller.uid == "u"
    assert compared == [line.digest for line in keys.lines], "the first is no quicker to find"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What this process's loggers write, as `pawfect api` has them write it."""
    sink, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(sink), root.level
    handler.setFormatter(JsonLines())
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.ERROR)  # the caller's own
    yield sink
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    root.removeHandler(handler)
    root.setLevel(level)


async def test_a_defect_is_logged_with_its_place_and_without_its_words(
    alone: Stack, monkeypatch, log
):
    """uvicorn logs what an app raises: of a message, that may name anybody, nothing stays."""

    async def broken(uid: str, sid: str) -> None:
        raise RuntimeError("the owner's words")

    monkeypatch.setattr(alone.services.sessions.documents, "get", broken)
    answer = await alone.http.get(ROUTE)
    assert answer.json() == {"error": {"kind": "INTERNAL", "message": "API: RuntimeError"}}
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    places = [line["at"] for line in lines if line.get("error") == "RuntimeError"]
    assert len(places) == 1
    assert "broken" in places[0]
    assert "owner" not in log.getvalue()


async def test_of_an_address_the_log_has_its_route_and_ids_and_no_more(alone: Stack, log):
    for path in ("/api/v1/jobs/canary/events", "/canary", f"{ROUTE}?canary=1", f"{RUNS}/canary@x"):
        await alone.http.get(path)
    with pytest.raises(InvalidStatus):
        async with connect(
            f"ws://{alone.http.base_url.netloc.decode()}/api/v1/ws/canary?after=canary", proxy=None
        ):
            pass
    paths = [json.loads(line).get("path") for line in log.getvalue().splitlines()]
    assert paths.count("/api/v1/jobs/{job_id}/events") == 1
    assert ROUTE in paths
    assert "canary" not in log.getvalue()


@pytest.mark.parametrize("name", PLAIN)
async def test_a_plain_name_is_taken_as_it_is(alone, name):
    assert (await alone.post(sid=name)).status_code == 202
    assert await alone.files.list("users/u/sessions") == [
        f"users/u/sessions/{name}/mask_auto.png",
        f"users/u/sessions/{name}/original.jpg",
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "pawfect.example", ""])
def test_only_a_loopback_address_asks_nobody_who_calls(host):
    for options in (
        lambda: authenticators_of(host, None, (), no_auth=True),
        lambda: push_check(host, None, None, no_auth=True),
    ):
        with pytest.raises(click.UsageError, match="loopback"):
            options()
    with pytest.raises(click.UsageError, match="expected --api-keys"):
        authenticators_of("127.0.0.1", None, (), no_auth=False)
