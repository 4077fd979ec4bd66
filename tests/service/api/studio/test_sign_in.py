"""Signing in: whose cookie it is, how long it holds, and which pages may use it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from google.auth.transport.requests import Request
from itsdangerous import TimestampSigner

from pawfect_service.http.callers import ApiKeys, GoogleTokens, KeptCertificates, new_api_key
from pawfect_service.http.sign_in import COOKIE, HOLDS_S, SignIns
from pawfect_service.process.options import authenticators_of
from tests.service.stack import Stack, running

SIGN_IN, STUDIO = "/api/v1/sign-in", "/api/v1/studio"
KEY, LINE = new_api_key("phone", "u")
OTHER, OTHER_LINE = new_api_key("phone", "v")
EVERY, EVERY_LINE = new_api_key("backend", "*")


@asynccontextmanager
async def guarded(store: str, nowhere: str, *lines: str, **more: Any) -> AsyncIterator[Stack]:
    """An API with these keys, or with all three."""
    keys = ApiKeys(lines or [LINE, OTHER_LINE, EVERY_LINE])
    async with running(store, nowhere, authenticators=[keys, SignIns(keys)], **more) as stack:
        yield stack


async def signed_in(stack: Stack, key: str = KEY) -> httpx.Response:
    return await stack.http.post(SIGN_IN, json={"key": key})


def origin_of(stack: Stack) -> dict[str, str]:
    return {"origin": str(stack.http.base_url).rstrip("/")}


async def test_a_sign_in_gives_a_cookie_that_scripts_and_other_sites_do_not_get(store, nowhere):
    async with guarded(store, nowhere) as stack:
        before = (await stack.http.get(STUDIO)).json()
        assert (before["signedIn"], before["needsKey"], before["user"]) == (False, True, None)
        answer = await signed_in(stack)
        assert (answer.status_code, answer.content) == (204, b"")
        said = answer.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=strict", "Path=/api", f"Max-Age={HOLDS_S}"):
            assert part in said
        assert KEY not in said
        state = (await stack.http.get(STUDIO)).json()
        assert (state["signedIn"], state["user"]) == (True, "u")
        gone = await stack.http.delete(SIGN_IN)
        assert gone.status_code == 204
        assert (await stack.http.get(STUDIO)).json()["signedIn"] is False


async def test_a_cookie_opens_its_users_sessions_alone(store, nowhere):
    async with guarded(store, nowhere) as stack:
        await signed_in(stack, OTHER)
        for uid, status in (("v", 404), ("u", 403)):
            answer = await stack.http.get(f"/v1/users/{uid}/sessions/s")
            assert answer.status_code == 401, "the cookie is for /api alone"
            path = f"/api/v1/runs/{'0' * 32}.{uid}"
            assert (await stack.http.get(path)).status_code == status


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"key": "wrong"}, 401),
        ({"key": ""}, 401),
        ({"key": "\ud800"}, 401),
        ({"key": EVERY}, 403),
        ({"key": 7}, 400),
        ({}, 400),
        ({"key": KEY, "user": "v"}, 400),
    ],
)
async def test_what_is_no_users_key_is_refused(store, nowhere, given, status):
    async with guarded(store, nowhere) as stack:
        answer = await stack.http.post(
            SIGN_IN,
            content=json.dumps(given),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == status, answer.text
        assert "set-cookie" not in answer.headers


async def test_guesses_at_keys_are_slowed_down(store, nowhere):
    async with guarded(store, nowhere, rate="5/hour") as stack:
        statuses = [(await signed_in(stack, "guess")).status_code for _ in range(7)]
        assert statuses == [401] * 5 + [429] * 2


async def test_who_has_a_key_signs_in_whatever_others_behind_the_same_address_do(store, nowhere):
    async with guarded(store, nowhere, rate="2/hour") as stack:
        assert [(await signed_in(stack)).status_code for _ in range(4)] == [204] * 4
        assert [(await signed_in(stack, "guess")).status_code for _ in range(3)] == [401, 401, 429]
        assert (await signed_in(stack)).status_code == 204


async def test_asking_who_one_is_guesses_no_quicker(store, nowhere):
    for guess in ({"x-api-key": "a"}, {"cookie": f"{COOKIE}=phone.a"}):
        async with guarded(store, nowhere, rate="5/hour") as stack:
            asked = [(await stack.http.get(STUDIO, headers=guess)).status_code for _ in range(7)]
            assert asked == [200] * 5 + [429] * 2
            assert (await stack.http.get(STUDIO)).status_code == 200, "without any it is free"
            good = await stack.http.get(STUDIO, headers={"x-api-key": KEY})
            assert good.json()["signedIn"] is True


async def test_where_tokens_alone_are_taken_nobody_signs_in(store, nowhere):
    tokens = GoogleTokens(["client"], KeptCertificates(Request()))
    async with running(store, nowhere, authenticators=[tokens]) as stack:
        answer = await signed_in(stack)
        assert answer.status_code == 400
        assert "sign-in: expected an API with keys" in answer.json()["error"]["message"]


async def test_looking_at_runs_has_ten_times_the_rate_of_making_them(store, nowhere):
    async with guarded(store, nowhere, rate="2/hour") as stack:
        path, headers = f"/api/v1/runs/{'0' * 32}.u", {"x-api-key": KEY}
        looked = [(await stack.http.get(path, headers=headers)).status_code for _ in range(21)]
        assert looked == [404] * 20 + [429]
        cancelled = [(await stack.http.delete(path, headers=headers)).status_code for _ in range(3)]
        assert cancelled == [404, 404, 429]


async def test_a_cookie_ends_with_its_time_and_with_its_keys_line(store, nowhere):
    digest = bytes.fromhex(LINE.split()[2])
    async with guarded(store, nowhere) as stack:
        path = f"/api/v1/runs/{'0' * 32}.u"
        good = SignIns(ApiKeys([LINE])).cookie(KEY)

        class Then(TimestampSigner):
            """Signs as if it were eight days ago."""

            def get_timestamp(self) -> int:
                return int(time.time()) - HOLDS_S - 86_400

        old = Then(
            digest, salt="pawfect sign-in", key_derivation="hmac", digest_method=hashlib.sha256
        ).sign("phone")
        forged = TimestampSigner(b"guess", salt="pawfect sign-in").sign("phone")
        for value, status in (
            (good, 404),
            (old.decode(), 401),
            (forged.decode(), 401),
            (good[:-1], 401),
            (good.replace("phone", "backend"), 401),
            ("", 401),
        ):
            headers = {"cookie": f"{COOKIE}={value}"}
            assert (await stack.http.get(path, headers=headers)).status_code == status, value
    async with guarded(store, nowhere, OTHER_LINE) as stack:
        headers = {"cookie": f"{COOKIE}={good}"}
        assert (await stack.http.get(path, headers=headers)).status_code == 401


async def test_another_sites_page_changes_nothing_by_the_cookie(store, nowhere):
    async with guarded(store, nowhere) as stack:
        await signed_in(stack)
        path = f"/api/v1/runs/{'0' * 32}.u"
        own = origin_of(stack)
        others = ({}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"}, {"origin": "http://["})
        for headers in others:
            refused = await stack.http.delete(path, headers=headers)
            assert refused.status_code == 403, headers
            assert refused.json()["error"]["message"].startswith("origin: expected this API's own")
        assert (await stack.http.delete(path, headers=own)).status_code == 404
        assert (await stack.http.get(path)).status_code == 404, "what only reads needs none"
        evil = await stack.http.post(SIGN_IN, json={"key": KEY}, headers={"origin": "http://e.x"})
        assert evil.status_code == 403
        with_key = await stack.http.delete(path, headers={"x-api-key": KEY})
        assert with_key.status_code == 404, "a key is no cookie: no browser adds it by itself"


async def test_whoever_signed_in_is_no_admin(store, nowhere):
    admin, line = new_api_key("ops", "u", admin=True)
    keys = ApiKeys([line])
    caller = await SignIns(keys).caller({"cookie": f"{COOKIE}={SignIns(keys).cookie(admin)}"})
    assert caller is not None
    assert (caller.uid, caller.admin, caller.by_cookie) == ("u", False, True)


def test_an_api_with_a_file_of_keys_has_sign_ins_last(tmp_path):
    (tmp_path / "keys").write_text(LINE)
    found = authenticators_of("0.0.0.0", tmp_path / "keys", ("client",), no_auth=False)
    assert [type(each).__name__ for each in found] == ["ApiKeys", "GoogleTokens", "SignIns"]


async def test_on_a_laptop_nobody_signs_in(alone: Stack):
    state = (await alone.http.get(STUDIO)).json()
    assert (state["signedIn"], state["needsKey"], state["user"]) == (True, False, "me")
    answer = await signed_in(alone, "anything")
    assert (answer.status_code, "set-cookie" in answer.headers) == (204, False)
