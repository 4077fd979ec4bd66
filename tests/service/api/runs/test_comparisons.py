"""Blind comparisons of a search's candidates: who may, what is kept, how it is counted."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pawfect_service.http.callers import ApiKeys, new_api_key
from tests.service.api.runs.searching import Searching
from tests.service.api.runs.test_searches import searched
from tests.service.api.runs.test_versions import again, imported, worked
from tests.service.stack import Stack, running


async def a_search(stack: Stack, version: int = 2, here: str | None = None) -> Any:
    """The route of a run and its version that is a completed search."""
    here = here or await imported(stack)
    answer = await searched(stack, here)
    assert answer.status_code == 202, answer.text
    return here, await worked(stack, here, version)


async def said(stack: Stack, here: str, left: Any, right: Any, choice: Any, **more: Any) -> Any:
    body = {"left": left, "right": right, "choice": choice, **more}
    return await stack.http.post(f"{here}/comparisons", json=body)


def by_potential(version: dict[str, Any]) -> list[int]:
    """Numbers of the candidates, the highest potential first."""
    found = [one for one in version["report"]["candidates"] if one["error"] is None]
    return [one["number"] for one in sorted(found, key=lambda one: -one["potential"])]


def counted(answer: httpx.Response, of: str = "version") -> tuple[int, int, int]:
    assert answer.status_code == 200, answer.text
    state = answer.json()[of]
    return state["compared"], state["decided"], state["agreed"]


async def test_choices_are_counted_against_the_potential_and_ties_are_left_out(
    alone: Stack, searching: Searching
):
    here, version = await a_search(alone)
    best, second, third, fourth, worst = by_potential(version)
    assert counted(await said(alone, here, best, worst, "left")) == (1, 1, 1)
    assert counted(await said(alone, here, worst, second, "right")) == (2, 2, 2)
    assert counted(await said(alone, here, third, fourth, "right")) == (3, 3, 2)
    answer = await said(alone, here, best, second, "none")
    assert counted(answer) == counted(answer, "run") == (4, 3, 2)
    assert answer.json()["comparison"] == {
        "left": best, "right": second, "choice": "none", "preferred": "left",
    }  # fmt: skip
    state = answer.json()["version"]
    # Wilson's interval of 2 in 3, as statsmodels gives it.
    assert state["share"] == pytest.approx(2 / 3)
    assert (state["low"], state["high"]) == pytest.approx((0.2076597, 0.9385082), abs=1e-6)
    shown = (await alone.state(where=here))["versions"][1]
    assert shown["agreement"] == state
    assert [one["preferred"] for one in shown["comparisons"]] == ["left", "right", "left", "left"]
    manifest = (await alone.http.get(f"{here}/run.json")).json()["versions"]
    assert [one["agreement"] for one in manifest] == [None, state]
    _, other = await a_search(alone, 3, here)
    first, last = by_potential(other)[0], by_potential(other)[-1]
    answer = await said(alone, here, last, first, "left", version=3)
    assert (counted(answer), counted(answer, "run")) == ((1, 1, 0), (5, 4, 2))
    report = (await alone.http.get(f"{here}/comparisons")).json()
    assert {number: one["compared"] for number, one in report["versions"].items()} == {
        "2": 4,
        "3": 1,
    }
    assert report["run"] == answer.json()["run"]


async def test_a_pair_is_compared_once_whichever_is_left(alone: Stack, searching: Searching):
    here, _ = await a_search(alone)
    first = await said(alone, here, 0, 3, "left")
    for same in (("left", 0, 3), ("right", 3, 0)):
        answer = await said(alone, here, *same[1:], same[0])
        assert answer.status_code == 200
        assert answer.json() == first.json()
    for other in ((0, 3, "right"), (3, 0, "left"), (3, 0, "none")):
        answer = await said(alone, here, *other)
        assert (answer.status_code, "not compared" in answer.text) == (409, True)
    assert len((await alone.state(where=here))["versions"][1]["comparisons"]) == 1


async def test_what_is_no_comparison_of_two_candidates_is_refused(
    alone: Stack, searching: Searching
):
    searching.failing = frozenset({1})
    here = await imported(alone)
    assert (await searched(alone, here)).status_code == 202
    early = await said(alone, here, 0, 2, "left")
    assert (early.status_code, "to be completed" in early.text) == (409, True)
    await worked(alone, here, 2)
    for body, message in (
        ((0, 0, "left"), "right: expected another candidate"),
        ((0, 5, "left"), "right: expected a candidate of the search"),
        ((1, 0, "left"), "left: expected a candidate of the search that has a picture"),
        ((-1, 0, "left"), "left: expected a candidate of the search"),
        ((0, 2, "both"), "comparison.choice: expected"),
        (("0", 2, "left"), "comparison.left: expected a valid integer"),
        ((0, True, "left"), "comparison.right: expected a valid integer"),
    ):
        answer = await said(alone, here, *body)
        assert answer.status_code == 400, body
        assert message in answer.json()["error"]["message"]
    more = await said(alone, here, 0, 2, "left", rating=5)
    assert (more.status_code, "comparison.rating" in more.text) == (400, True)
    assert (await said(alone, here, 0, 2, "left", version=9)).status_code == 404
    photo = await said(alone, here, 0, 2, "left", version=1)
    assert "version: expected one that is a search" in photo.json()["error"]["message"]
    assert (await again(alone, here)).status_code == 202
    fill = await said(alone, here, 0, 2, "left")
    assert (fill.status_code, "one that is run_inpaint" in fill.text) == (400, True)
    assert (await alone.state(where=here))["versions"][1]["comparisons"] == []


async def test_only_its_owner_compares(store, nowhere, searching: Searching):
    (own, own_line), (other, other_line) = new_api_key("a", "u"), new_api_key("b", "v")
    async with running(store, nowhere, authenticators=[ApiKeys([own_line, other_line])]) as stack:
        stack.http.headers["x-api-key"] = own
        here, _ = await a_search(stack)
        stack.http.headers["x-api-key"] = other
        assert (await said(stack, here, 0, 2, "left")).status_code == 403
        assert (await stack.http.get(f"{here}/comparisons")).status_code == 403
        for name in ("candidates.jpg", "image.png"):
            assert (await stack.http.get(f"{here}/files/{name}?version=2")).status_code == 403
