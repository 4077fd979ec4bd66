"""A user's runs, newest first, a page at a time, over either store."""

from __future__ import annotations

from pawfect_service.api.runs.listing import cursor_of, read_cursor
from pawfect_service.stores import make_queue
from pawfect_service.stores.base import RunMark
from tests.service.api.runs.inverting import Inverting
from tests.service.api.runs.runs import RUNS, made
from tests.service.api.runs.test_versions import imported, refined
from tests.service.stack import PHOTO, SOON, Stack, running


async def test_runs_are_listed_newest_first_a_page_at_a_time(
    store_url, nowhere, uid, inverting: Inverting
):
    make_queue(store_url, SOON)
    async with running(store_url, nowhere) as stack:
        empty = (await stack.http.get(RUNS, params={"user": uid})).json()
        assert empty == {"runs": [], "next": None}
        ids = []
        for _ in range(5):
            answer = await made(stack, {"photo": PHOTO}, kind="import", user=uid)
            ids.append(answer.json()["runId"])
        await imported(stack, user=f"{uid}x")
        await refined(stack, f"{RUNS}/{ids[1]}", base=0)
        listed, before, pages = [], None, 0
        while pages == 0 or before is not None:
            query = {"user": uid, "limit": "2"} | ({"before": before} if before else {})
            page = (await stack.http.get(RUNS, params=query)).json()
            assert len(page["runs"]) <= 2
            listed += page["runs"]
            before, pages = page["next"], pages + 1
        assert pages == 3
        assert [run["runId"] for run in listed] == ids[::-1]
        one = listed[3]
        assert (one["versions"], one["kind"], one["processingStatus"]) == (2, "import", "pending")
        assert one["previewUrl"] is None
        assert one["updatedAt"] >= one["createdAt"]
        whole = (await stack.http.get(RUNS, params={"user": uid})).json()
        assert (whole["runs"], whole["next"]) == (listed, None)


async def test_a_run_in_the_list_shows_its_newest_preview(alone: Stack, inverting: Inverting):
    here = await imported(alone)
    (run,) = (await alone.http.get(RUNS, params={"user": "u"})).json()["runs"]
    assert run["previewUrl"] == f"{here}/files/preview.jpg?version=1"
    assert (await alone.http.get(RUNS)).json()["runs"] == [], "on a laptop it is user `me`'s"
    mine = await alone.http.post(RUNS, params={"kind": "import"}, files={"photo": PHOTO})
    assert mine.json()["user"] == "me"
    assert len((await alone.http.get(RUNS)).json()["runs"]) == 1


async def test_a_page_of_another_length_and_a_cursor_that_no_list_gave_are_refused(alone: Stack):
    for limit in ("0", "101", "x", "-1"):
        assert (await alone.http.get(RUNS, params={"limit": limit})).status_code == 400
    mark = RunMark(1795253000.25, f"run-{'0' * 32}-0001")
    assert read_cursor(cursor_of(mark)) == mark
    others = [
        "x",
        "",
        "[]",
        cursor_of(RunMark(1.0, "../x")),
        cursor_of(RunMark(float("inf"), mark.sid)),
        "W1tbW1tb" * 500,
        "\u00e9",
    ]
    for before in others:
        answer = await alone.http.get(RUNS, params={"before": before})
        assert answer.status_code == 400, before
        assert "before: expected what a list gave" in answer.json()["error"]["message"]
