"""Who may have, or delete, all of a user's data: the user, and an admin."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.http.sign_in import COOKIE, SignIns
from tests.service.people.test_deletion import town
from tests.service.people.test_late import ordered
from tests.service.repeat import Repeat
from tests.service.stack import Stack, running

WAYS = [("GET", "/export"), ("DELETE", "")]


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
async def test_the_user_and_an_admin_of_every_user_may_and_nobody_else(
    store: str, nowhere: str, repeat: Repeat, prefix: str
) -> None:
    async with AsyncExitStack() as stack:
        there = await town(stack, store, nowhere, "person")
        http, other = there.stack.http, there.other.uid
        for key, status in (
            ("shop", 403),
            (other, 403),
            (None, 401),
            ("person", 200),
            ("ops", 200),
        ):
            headers = {} if key is None else {"x-api-key": there.keys[key]}
            for method, rest in WAYS:
                await ordered(there.stack, "s", "person")
                url = f"{prefix}/users/person{rest}"
                answer = await http.request(method, url, headers=headers)
                assert answer.status_code == status, (key, method, answer.text)
                left = await there.stack.documents.get("person", "s")
                assert (left is None) == (method == "DELETE" and status == 200)
        for uid in ("..%2Fother", "a%20b", "__a__"):
            for method, rest in WAYS:
                url = f"{prefix}/users/{uid}{rest}"
                answer = await http.request(method, url, headers={"x-api-key": there.keys["ops"]})
                assert answer.status_code in (400, 404), answer.text


async def test_the_pages_cookie_is_good_for_its_own_user_from_its_own_page_alone(
    store: str, nowhere: str, repeat: Repeat
) -> None:
    key, line = new_api_key("phone", "u")
    keys = ApiKeys([line])
    signs = SignIns(keys)
    async with running(store, nowhere, [keys, signs]) as stack:
        await ordered(stack, "s", "u")
        cookie = {"cookie": f"{COOKIE}={signs.cookie(key)}"}
        here = str(stack.http.base_url).rstrip("/")
        for origin in (None, "https://elsewhere.example"):
            headers = cookie | ({} if origin is None else {"origin": origin})
            refused = await stack.http.delete("/api/v1/users/u", headers=headers)
            assert refused.status_code == 403
        assert await stack.documents.get("u", "s") is not None
        for rest in ("export", "usage"):
            for uid, status in (("u", 200), ("v", 403)):
                answer = await stack.http.get(f"/api/v1/users/{uid}/{rest}", headers=cookie)
                assert answer.status_code == status, answer.text
        own = {**cookie, "origin": here}
        assert (await stack.http.delete("/api/v1/users/v", headers=own)).status_code == 403
        assert (await stack.http.delete("/api/v1/users/u", headers=own)).status_code == 200
        assert await stack.documents.get("u", "s") is None


async def test_the_apis_page_tells_of_both_with_their_answers(alone: Stack) -> None:
    paths = alone.app.openapi()["paths"]
    for prefix in ("/v1", "/api/v1"):
        export = paths[f"{prefix}/users/{{uid}}/export"]["get"]
        assert list(export["responses"]["200"]["content"]) == ["application/zip"]
        delete = paths[f"{prefix}/users/{{uid}}"]["delete"]
        schema = delete["responses"]["200"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/DeletedUser"}
        for told in (export, delete):
            assert {"400", "401", "403", "429", "503"} <= set(told["responses"])
