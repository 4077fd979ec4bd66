"""`candidate_search` on the suite's server: streamed, resumed, cancelled, judged by who answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, from_message
from pawfect_client import LocalClient, PawfectClient
from pawfect_client.results import StageEvent
from tests.judge_servers import GeminiServer, MoondreamServer
from tests.lawn import holes, lawn
from tests.refusals import refusal
from tests.server.conftest import Stream, answers, until

HEIGHT, WIDTH = 120, 160
PHOTO = lawn(HEIGHT, WIDTH)
MASK = holes(HEIGHT, WIDTH, (60, 40, 100, 76))
SMALL = {"engine": "patch", "protect": "none", "k_global": 3, "m_global": 1, "k_local": 2}


@pytest.fixture(scope="module")
def client(server) -> Iterator[PawfectClient]:
    with PawfectClient(server.endpoints.grpc) as connected:
        yield connected


@pytest.fixture
def silent(gemini: GeminiServer, moondream: MoondreamServer) -> Iterator[None]:
    """Judges that take requests and never answer."""
    for judge in (gemini, moondream):
        judge.hold = lambda asked: True
    yield
    for judge in (gemini, moondream):
        judge.hold = lambda asked: False


def test_the_server_finds_what_is_found_here(client):
    seen: list[StageEvent] = []
    there = client.search(PHOTO, MASK, seed=5, on_progress=seen.append, **SMALL)
    with LocalClient() as local:
        here = local.search(PHOTO, MASK, seed=5, **SMALL)
    assert np.array_equal(there.image, here.image)
    told = [(c.number, c.seed, c.variation, c.parent, c.potential) for c in there.report.candidates]
    assert told == [
        (c.number, c.seed, c.variation, c.parent, c.potential) for c in here.report.candidates
    ]
    found = [event.candidate for event in seen if event.candidate is not None]
    assert sorted(one.candidate.number for one in found) == [0, 1, 2, 3, 4]
    assert [event.stage for event in seen][:1] == ["mask_cleanup"]
    assert {event.stage for event in seen} >= {"global", "local"}


def test_candidates_of_a_run_that_was_broken_off_are_not_made_again(client):
    stream = client.search_stream(PHOTO, MASK, seed=6, **SMALL)
    kept = []
    for event in stream:
        if isinstance(event, StageEvent) and event.candidate is not None:
            kept.append(event.candidate)
            if len(kept) == 2:
                break
    stream.close()
    rest: list[StageEvent] = []
    resumed = client.search(PHOTO, MASK, seed=6, done=kept, on_progress=rest.append, **SMALL)
    whole = client.search(PHOTO, MASK, seed=6, **SMALL)
    assert resumed.report.known == 2
    made = {event.candidate.candidate.number for event in rest if event.candidate is not None}
    assert made == {0, 1, 2, 3, 4} - {one.candidate.number for one in kept}
    assert np.array_equal(resumed.image, whole.image)
    assert [c.scores for c in resumed.report.candidates] == [
        c.scores for c in whole.report.candidates
    ]


def test_judges_elsewhere_count_where_they_answered_for_all(client, gemini, moondream):
    report = client.search(PHOTO, MASK, remote=True, **SMALL | {"k_local": 0}).report
    assert set(report.judges["consistency"]) == {"local", "gemini", "moondream"}
    assert report.calls >= 2 * len(report.candidates)
    without = client.search(PHOTO, MASK, **SMALL | {"k_local": 0}).report
    assert (without.calls, without.judges["consistency"]) == (0, ("local",))


def test_where_all_judges_elsewhere_are_silent_the_local_scores_decide(client, silent):
    report = client.search(
        PHOTO, MASK, remote=True, judge_ms=200, **SMALL | {"k_global": 2, "k_local": 0}
    ).report
    assert report.judges == {"consistency": ("local",), "realism": ("local",)}
    assert set(report.silent) >= {"gemini: consistency", "moondream: realism"}
    assert "the local scores alone decided" in " ".join(report.notes)
    assert report.best_potential is not None


def test_who_leaves_the_stream_ends_the_search(client, server):
    before = answers(server, "candidate_search", "CANCELLED")
    stream = Stream(
        server.endpoints.grpc, PHOTO, MASK, model="candidate_search", **SMALL | {"k_global": 20}
    )
    until(lambda: any(m.as_numpy("CANDIDATE") is not None for m in stream.messages))
    stream.close(cancel=True)
    until(lambda: answers(server, "candidate_search", "CANCELLED") == before + 1, 10)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"k_global": 0}, "k_global: expected from 1 to 64"),
        ({"k_global": 1000}, "k_global: expected from 1 to 64"),
        ({"k_global": 2, "m_global": 3}, "m_global: expected at most k_global, 2, got 3"),
        ({"realism": -1.0}, "realism: expected from 0.0 to 100.0"),
        (
            {"consistency": 0, "realism": 0, "identity": 0},
            "consistency, realism, identity: expected a weight above 0",
        ),
        ({"proposer": "swap"}, "consent: expected true, by which the caller says"),
        ({"proposer": "fill"}, "proposer: expected one of inpaint, edit, swap"),
        ({"proposer": "edit"}, "REFERENCE: expected the character's picture with proposer=edit"),
        (
            {"proposer": "edit", "engine": "patch"},
            "engine: expected auto, edit or klein with proposer=edit, got patch",
        ),
        ({"character": "K" * 81}, "character: expected 1 to 80 printable characters"),
        ({"hair": "none"}, "hair: expected one of keep, character"),
        ({"floor": 11.0}, "floor: expected from 0.0 to 10.0"),
        ({"candidates": 3}, "parameters: expected some of"),
    ],
)
def test_a_plan_that_is_none_is_refused_by_client_and_server(client, server, given, says):
    assert refusal(ErrorKind.INVALID_ARG, client.search, PHOTO, MASK, **given).startswith(says)
    stream = Stream(server.endpoints.grpc, PHOTO, MASK, model="candidate_search", **given)
    assert stream.ended.wait(30)
    stream.close()
    (error,) = stream.errors
    told = from_message(error.message())
    assert (told.kind, told.message.startswith(says)) == (ErrorKind.INVALID_ARG, True)


def test_an_engine_that_is_not_there_is_said(client):
    says = refusal(ErrorKind.UNAVAILABLE, client.search, PHOTO, MASK, engine="flux")
    assert says.startswith("engine=flux")
