"""All of a user's data are deleted in one call: nothing of them is left anywhere in a store."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.kinds import KINDS
from pawfect_service.jobs.paths import attempt_path
from pawfect_service.stores import make_queue
from tests.service.people.everything import RUNS, Person, do_everything, telling
from tests.service.people.raw import raw_of, where
from tests.service.stack import SOON, Stack, running

# Routes that write nothing of a user's, each with its reason.
_WRITES_NOTHING = {
    ("POST", "/api/v1/masks"): "answers with masks and keeps nothing",
    ("POST", "/api/v1/sign-in"): "the cookie is the browser's",
    ("DELETE", "/api/v1/sign-in"): "the cookie is the browser's",
    ("DELETE", "/v1/users/{uid}"): "deletes",
    ("DELETE", "/api/v1/users/{uid}"): "deletes",
}
_AUDIT = "/v1/users/{uid}/sessions/{sid}/audit"
_AUDITS = {("POST", _AUDIT), ("DELETE", _AUDIT)}
_OVER = JobContract(
    job_s=0.3, fill_s=0.2, lease_s=0.2, starts=1, publications=1,
    backoff_min_s=0.1, backoff_max_s=0.2, deliveries=19,
)  # fmt: skip


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> None:
    telling(monkeypatch)


class Town:
    """An API with the keys of two users and of an admin."""

    def __init__(self, stack: Stack, keys: dict[str, str], uids: tuple[str, str]) -> None:
        self.stack, self.keys = stack, keys
        self.one, self.other = (Person(stack, uid, {"x-api-key": keys[uid]}) for uid in uids)

    async def deleted(self, uid: str, key: str | None = None) -> Any:
        headers = {"x-api-key": self.keys[key or uid]}
        return await self.stack.http.delete(f"/v1/users/{uid}", headers=headers)


async def town(stack: AsyncExitStack, store: str, nowhere: str, uid: str, **settings: Any) -> Town:
    """Run an API for the length of a stack of contexts."""
    uids = uid, f"{uid}-other"
    made = {name: new_api_key(name.replace(uid, "key"), name) for name in uids}
    made["ops"] = new_api_key("ops", "*", admin=True)
    made["shop"] = new_api_key("shop", "*")
    keys = ApiKeys([line for _, line in made.values()])
    contract = settings.pop("contract", SOON)
    make_queue(store, contract)
    api = await stack.enter_async_context(
        running(store, nowhere, [keys], contract=contract, **settings)
    )
    return Town(api, {name: key for name, (key, _) in made.items()}, uids)


def of(raw: dict[str, bytes], person: Person) -> dict[str, bytes]:
    """What is there of somebody."""
    return {place: raw[place] for place in where(raw, f"{person.uid}/", person.canary)}


def writing_routes(stack: Stack) -> set[tuple[str, str]]:
    """Methods and routes of the API's own page that are no GET."""
    paths = stack.app.openapi()["paths"].items()
    return {(m.upper(), path) for path, methods in paths for m in methods if m != "get"}


@pytest.mark.parametrize(
    "store_url", ["embedded", pytest.param("google", marks=pytest.mark.slow)], indirect=True
)
async def test_nothing_of_a_user_who_did_everything_is_left_and_all_of_another_is(
    store_url: str, nowhere: str, uid: str, work: None, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        there = await town(stack, store_url, nowhere, uid, audits=tmp_path / "audits")
        one, other = there.one, there.other
        async with there.stack.working(jobs=1):
            for person in (one, other):
                await do_everything(person)
        # And two that nobody works on, and what a worker that was killed has left.
        await one.call("POST", RUNS, f"{RUNS}?kind=cutout", files={"photo": one.photo})
        left = attempt_path(one.uid, one.canary, "job", 1, "edited.jpg")
        await there.stack.files.put({left: one.canary.encode()})
        await there.stack.edit_of(one.uid, "hand", {"odd": one.canary})
        kinds = {
            document.get("jobKind", "inpaint")
            async for _, document in there.stack.documents.of_user(one.uid)
        }
        assert kinds == set(KINDS), "every kind of job left something"
        # Audits have a test of their own.
        assert one.called | _AUDITS | set(_WRITES_NOTHING) == writing_routes(there.stack)
        before = raw_of(store_url)
        assert len(of(before, one)) > 40

        answer = await there.deleted(one.uid)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert said["uid"] == one.uid
        assert said["deleted"]["documents"] == 10
        assert said["deleted"]["jobs"] == 1
        assert said["deleted"]["files"] > 30
        after = raw_of(store_url)
        # The other's id begins with this one's.
        named = {
            place.replace(other.uid, ""): data.replace(other.uid.encode(), b"")
            for place, data in after.items()
        }
        assert where(named, one.uid, one.canary) == []
        assert _stays(of(after, other)) == _stays(of(before, other))
        state = await one.until(f"{RUNS}?user={one.uid}", lambda _: True)
        assert state == {"runs": [], "next": None}
        # Once more does no harm, and finds nothing.
        again = (await there.deleted(one.uid, "ops")).json()
        assert set(again["deleted"].values()) == {0}
        # Who comes back begins anew.
        made = await one.call("POST", RUNS, f"{RUNS}?kind=import", files={"photo": one.photo})
        assert len(where(raw_of(store_url), made["runId"].split(".")[0])) > 1


def _stays(found: dict[str, bytes]) -> dict[str, bytes]:
    """What is compared: the database's own file changes as a whole."""
    return {place: data for place, data in found.items() if "sqlite3" not in place}
