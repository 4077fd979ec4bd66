"""`search` of every client: candidates as they come, those of an earlier run, and the end."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from pawfect.contract.candidates import FoundCandidate, done_tensors, read_done
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.search_report import Candidate
from pawfect.contract.texts import text_tensor
from pawfect_client import (
    AsyncPawfectClient,
    LocalClient,
    PawfectClient,
    RetryPolicy,
    SearchResult,
    StageEvent,
)
from pawfect_client.search.command import search
from tests.client.search.conftest import MASK, PHOTO, Desk
from tests.client.search.triton import Triton, serving
from tests.refusals import refusal

BOX = (30, 20, 50, 44)
ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def triton(flow):
    return Triton()


@pytest.fixture
def url(triton):
    with serving(triton) as at:
        yield at


def candidate(number: int = 0, **more) -> FoundCandidate:
    crop = np.full((24, 20, 3), number, np.uint8)
    one = Candidate(number, "global", number, "seed", engine="patch")
    return replace(FoundCandidate(one, crop, BOX), **more)


def found(events) -> list[FoundCandidate]:
    return [event.candidate for event in events if event.candidate is not None]


def test_every_client_gives_the_same_candidates_and_the_same_best(url, flow):
    given = {"reference": PHOTO[::-1].copy(), "prompt": "moss", "seed": 3, "m_global": 1}

    async def waited():
        events: list[StageEvent] = []
        async with AsyncPawfectClient(url) as client:
            result = await client.search(PHOTO, MASK, on_progress=events.append, **given)
        return result, events

    runs = [asyncio.run(waited())]
    for client in (PawfectClient(url), LocalClient()):
        with client:
            events: list[StageEvent] = []
            runs.append((client.search(PHOTO, MASK, on_progress=events.append, **given), events))
    with PawfectClient(url) as client:
        *streamed, last = client.search_stream(PHOTO, MASK, **given)
        runs.append((last, streamed))
    first, told = runs[0]
    for result, events in runs:
        assert isinstance(result, SearchResult)
        np.testing.assert_array_equal(result.image, first.image)
        assert result.report == first.report
        assert [one.candidate.number for one in found(events)] == list(range(6))
        for one, same in zip(found(events), found(told), strict=True):
            assert one.candidate == same.candidate
            assert one.box == BOX
            np.testing.assert_array_equal(one.image, same.image)
    won = found(told)[first.report.best]
    np.testing.assert_array_equal(first.image[20:44, 30:50], won.image)
    first.image[0, 0] = 0  # It is the caller's own.


def test_candidates_of_an_earlier_run_are_sent_and_not_made_again(url, flow):
    with PawfectClient(url) as client:
        events: list[StageEvent] = []
        whole = client.search(PHOTO, MASK, seed=5, on_progress=events.append)
        before = found(events)[:3]
        flow.made.clear()
        again = client.search(PHOTO, MASK, seed=5, done=before)
    assert flow.made == list(range(3, 8))
    assert (again.report.known, whole.report.known) == (3, 0)
    assert again.report.candidates == whole.report.candidates
    np.testing.assert_array_equal(again.image, whole.image)


def test_a_candidate_that_failed_comes_without_a_picture(url, flow):
    flow.failing = frozenset({2})
    with PawfectClient(url) as client:
        events: list[StageEvent] = []
        client.search(PHOTO, MASK, on_progress=events.append)
        failed = found(events)[2]
        assert (failed.image, failed.box, failed.candidate.error) == (
            None,
            None,
            "<i>no memory</i>",
        )
        flow.made.clear()
        flow.failing = frozenset()
        client.search(PHOTO, MASK, done=found(events))
    assert flow.made == [2]


def test_a_stream_that_is_left_stops_the_search_on_the_server(url, flow, triton):
    flow.hold = 2
    with PawfectClient(url) as client:
        for event in client.search_stream(PHOTO, MASK):
            if event.candidate is not None and event.candidate.candidate.number == 1:
                break
        assert triton.stopped.wait(20)
    assert flow.made == [0, 1]


def test_a_task_that_is_cancelled_stops_the_search_on_the_server(url, flow, triton):
    flow.hold = 1

    async def cancelled():
        async with AsyncPawfectClient(url) as client:
            come = asyncio.Event()
            work = client.search(
                PHOTO, MASK, on_progress=lambda event: event.candidate and come.set()
            )
            task = asyncio.create_task(work)
            await come.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(triton.stopped.wait, 20)

    asyncio.run(cancelled())
    assert flow.made == [0]


def test_an_error_of_who_takes_the_progress_stops_the_search_here(flow):
    def full(event: StageEvent) -> None:
        if event.candidate is not None:
            raise OSError(28, "No space left on device")

    # However late the error is noticed on a busy machine.
    flow.hold = 6
    with LocalClient() as client, pytest.raises(OSError, match="No space left"):
        client.search(PHOTO, MASK, on_progress=full)
    assert len(flow.made) < 8


def test_the_flows_error_is_the_clients(url, flow):
    flow.refused = PawfectError(ErrorKind.INVALID_ARG, "MASK: expected less")
    with PawfectClient(url) as client:
        assert refusal(ErrorKind.INVALID_ARG, client.search, PHOTO, MASK) == "MASK: expected less"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"k_global": 0}, "k_global: expected from 1 to 64, got 0"),
        ({"k_global": 1000}, "k_global: expected from 1 to 64, got 1000"),
        ({"k_global": 2, "m_global": 3}, "m_global: expected at most k_global, 2, got 3"),
        ({"consistency": -1.0}, "consistency: expected from 0.0 to 100.0, got -1.0"),
        ({"realism": float("nan")}, "realism: expected from 0.0 to 100.0, got nan"),
        (
            {"consistency": 0.0, "realism": 0.0, "identity": 0.0},
            "consistency, realism, identity: expected a weight above 0, got 0 for all",
        ),
        ({"speed": 3}, "speed"),
        ({"reference": MASK}, "REFERENCE: expected a UINT8 array [H, W, 3]"),
        ({"protect": MASK[1:]}, "PROTECT: expected the image's size"),
        ({"prompt": "x" * 3000}, "PROMPT: expected texts of at most 2048 bytes"),
        ({"done": [candidate(0), candidate(0)]}, "DONE: expected each candidate once"),
        (
            {"done": [candidate(0), candidate(1, box=(31, 20, 51, 44))]},
            "DONE_BOX: expected one box for all, got 2 of 2",
        ),
        ({"done": [candidate(box=(80, 20, 100, 44))]}, "DONE_BOX: expected a box within 96x72"),
        ({"done": [candidate(box=(30, 20, 50, 43))]}, "DONE_IMAGES: expected uint8 [23, 20, 3]"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(more, said):
    # Nobody listens there.
    with PawfectClient("127.0.0.1:1", retry=ONCE) as client:
        assert said in refusal(ErrorKind.INVALID_ARG, client.search, PHOTO, MASK, **more)


def changed(**outputs):
    def spoil(given):
        if "CANDIDATE" not in given:
            return given
        kept = {name: it for name, it in given.items() if outputs.get(name, it) is not None}
        return kept | {name: it for name, it in outputs.items() if it is not None}

    return spoil


NAN = Candidate(0, "global", 0, "seed", potential=float("nan")).to_json()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (changed(CANDIDATE=text_tensor("{")), "CANDIDATE of the answer: expected one candidate"),
        (changed(CANDIDATE=text_tensor("[]")), "expected an object, got list"),
        (changed(CANDIDATE=text_tensor(NAN)), "expected potential from 0 to 10, got nan"),
        (
            changed(CANDIDATE_IMAGE=None),
            "CANDIDATE_IMAGE of the answer: expected uint8 [24, 20, 3]",
        ),
        (changed(CANDIDATE_BOX=None), "CANDIDATE_BOX of the answer: expected a box within 96x72"),
        (
            changed(CANDIDATE_BOX=np.array([0, 0, 97, 9], np.int32)),
            "CANDIDATE_BOX of the answer: expected a box within 96x72, got [0, 0, 97, 9]",
        ),
        (changed(STAGE=None), "STAGE, PROGRESS of the answer: expected one of each"),
    ],
)
def test_an_answer_that_is_not_as_the_contract_says_is_a_defect(url, triton, spoil, said):
    triton.spoil = spoil
    with PawfectClient(url, retry=ONCE) as client:
        assert said in refusal(ErrorKind.INTERNAL, client.search, PHOTO, MASK)


def test_what_is_sent_of_finished_candidates_is_read_back():
    given = [candidate(4), candidate(2), FoundCandidate(replace(candidate(3).candidate, error="x"))]
    tensors = done_tensors(given, 72, 96)
    back = read_done(tensors, 72, 96)
    assert [one.candidate for one in back] == [one.candidate for one in given[:2]]
    for one, same in zip(back, given, strict=False):
        assert one.box == same.box
        np.testing.assert_array_equal(one.image, same.image)
    assert done_tensors([], 72, 96) == {}
    assert read_done({}, 72, 96) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"DONE": None}, "DONE: expected all of DONE, DONE_IMAGES, DONE_BOX, got DONE_IMAGES"),
        ({"DONE_BOX": np.array([0, 0, 9], np.int32)}, "DONE_BOX: expected 4 numbers, got 3"),
        ({"DONE_BOX": np.array([9, 0, 0, 9], np.int32)}, "DONE_BOX: expected a box within 96x72"),
        ({"DONE_IMAGES": np.zeros((2, 24, 20, 3), np.uint8)}, "DONE_IMAGES: expected uint8 [1, 24"),
        ({"DONE": text_tensor("nonsense")}, "DONE: expected JSON of candidates, got Expecting"),
        ({"DONE": text_tensor(NAN)}, "expected potential from 0 to 10, got nan"),
        ({"DONE": text_tensor("[" * 9999)}, "DONE: expected JSON of candidates"),
        (
            {"DONE": text_tensor(json.dumps({"number": -1}))},
            "DONE: expected JSON of candidates, got expected the entries of a candidate",
        ),
        (
            {"DONE": text_tensor(replace(candidate().candidate, error="x").to_json())},
            "DONE: expected candidates that were made, got number 0, which failed",
        ),
    ],
)
def test_finished_candidates_that_are_none_are_refused(change, said):
    tensors = done_tensors([candidate()], 72, 96) | change
    given = {name: it for name, it in tensors.items() if it is not None}
    assert said in refusal(ErrorKind.INVALID_ARG, read_done, given, 72, 96)


def test_the_command_works_with_a_server_and_goes_on_there(desk: Desk, url, flow):
    files = [str(desk.root / name) for name in ("photo.png", "mask.png")]
    command = [*files, "--output-dir", str(desk.out), f"--server={url}"]
    flow.late = 3
    assert CliRunner().invoke(search, command).exit_code == 0
    flow.late = None
    run = CliRunner().invoke(search, command)
    assert run.exit_code == 0, run.output
    assert sorted(flow.made) == list(range(8))
    assert desk.metrics()["report"]["known"] == 3
