"""`pawfect swap`, and `swap` of the clients: consent first, then a search that finds the face."""

from __future__ import annotations

import asyncio
import getpass
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pawfect.contract.errors import TABLE, ErrorKind, PawfectError
from pawfect.photo.xmp import source_type
from pawfect_client import AsyncPawfectClient, LocalClient, PawfectClient, load_photo
from pawfect_client.search.asked import account
from pawfect_client.search.command import search
from pawfect_client.search.swap_command import swap
from tests.client.search.conftest import MASK, PHOTO, Desk
from tests.client.search.triton import Triton, serving
from tests.pawfect.identity.photos import astronaut
from tests.pawfect.photo.pictures import png
from tests.refusals import refusal

WRONG = TABLE[ErrorKind.INVALID_ARG].exit_code
TRAINED = "compositeWithTrainedAlgorithmicMedia"
SHORT = ("--k-global=2", "--m-global=1", "--k-local=1")


@pytest.fixture
def anna(desk: Desk) -> str:
    return desk.put("anna.png", png(PHOTO[::-1]))


def run(desk: Desk, *options: str) -> Any:
    files = [str(desk.root / name) for name in ("photo.png", "anna.png")]
    return CliRunner().invoke(swap, [*files, "-o", str(desk.out), "--local", *options])


def label_of(path: Path) -> str | None:
    return source_type(load_photo(path).xmp)


def test_without_consent_nothing_is_read_sent_or_written(desk, flow):
    refused = run(desk)
    assert refused.exit_code == WRONG
    assert "everybody whose face is seen in PHOTO or shown in CHARACTER agrees" in refused.output
    assert "nothing was sent" in refused.output
    # Not even the character's picture was looked for, which is not there.
    assert "anna.png" not in refused.output
    assert flow.requests == []
    assert not desk.out.exists()
    again = run(desk, "--param", "consent=false")
    assert again.exit_code == WRONG
    assert run(desk, "--consent", "--param", "consent=true").exit_code == 2


def test_a_swap_is_a_photoreal_search_without_a_mask_that_says_who_asked(
    desk, flow, anna, monkeypatch
):
    monkeypatch.setattr(getpass, "getuser", lambda: "ju\tlia")
    done = run(desk, "--consent", "--seed=5", "--pixel-boost=512", *SHORT)
    assert done.exit_code == 0, done.output
    (asked,) = flow.requests
    assert asked["names"] == ["IMAGE", "REFERENCE"]
    assert asked["parameters"] == {
        "proposer": "swap", "preset": "photoreal", "consent": True, "caller": "julia",
        "pixel_boost": 512, "seed": 5, "k_global": 2, "m_global": 1, "k_local": 1,
    }  # fmt: skip
    for line in (
        "swapped: the face at 12, 10, 16 x 20 px, of 2 faces found",
        "kept in front of it: paw",
        "licences of the networks: research only",
    ):
        assert line in done.stdout
    folder = desk.task()
    assert not (folder / "mask.png").exists()
    np.testing.assert_array_equal(load_photo(folder / "character.png").pixels, PHOTO[::-1])
    metrics = desk.metrics()
    assert (metrics["character_name"], metrics["report"]["proposer"]) == ("anna", "swap")
    page = (folder / "page.html").read_text()
    assert "photo and hole" not in page
    for fact in ("the face at 12, 10", "research only", "<dt>asked for by</dt><dd>julia</dd>"):
        assert fact in page


def test_every_picture_of_a_swap_says_that_a_network_made_part_of_it(desk, anna):
    assert run(desk, "--consent", *SHORT).exit_code == 0
    made = [desk.task() / "result.png", *sorted(desk.task().glob("candidate_*.png"))]
    assert len(made) == 4
    # The flow of these tests fills by patches, which alone would be no trained media.
    assert {label_of(path) for path in made} == {TRAINED}
    assert label_of(desk.task() / "init.png") is None


def test_a_mask_says_which_face_and_the_same_command_goes_on(desk, flow, anna):
    flow.late = 1
    mask = ("--mask", str(desk.root / "mask.png"))
    assert run(desk, "--consent", "--caller=Julia", *mask, *SHORT).exit_code == 0
    flow.late = None
    # Who asks makes no candidate another one.
    assert run(desk, "--consent", "--caller=Max", *mask, *SHORT).exit_code == 0
    assert [one["known"] for one in flow.requests] == [[], [0]]
    assert [one["parameters"]["caller"] for one in flow.requests] == ["Julia", "Max"]
    assert {"MASK", "REFERENCE"} < set(flow.requests[1]["names"])
    assert (desk.task() / "mask.png").exists()
    # Without the mask it is another request, and the mask's file goes.
    assert run(desk, "--consent", *SHORT).exit_code == 0
    assert flow.requests[2]["known"] == []
    assert not (desk.task() / "mask.png").exists()
    assert run(desk, "--consent", *SHORT).exit_code == 0
    assert len(flow.requests) == 3, "it was complete"


@pytest.mark.parametrize(
    ("character", "mask", "says"),
    [
        (None, None, "anna.png"),
        (png(PHOTO[:20, :20]), None, "anna.png: expected sides of 64"),
        (b"no picture", None, "anna.png"),
        (png(PHOTO), png(MASK[:40]), "mask.png: expected"),
        (png(PHOTO), png(np.zeros_like(MASK)), "MASK: expected some pixels"),
    ],
)
def test_pictures_that_cannot_be_used_are_named(desk, flow, character, mask, says):
    if character is not None:
        desk.put("anna.png", character)
    more = []
    if mask is not None:
        more = ["--mask", desk.put("mask.png", mask)]
    refused = run(desk, "--consent", *more)
    assert refused.exit_code == WRONG
    assert says in refused.output
    assert flow.requests == []


def test_a_server_that_does_not_swap_is_said_with_what_mends_it(desk, flow, anna):
    mended = "swap: weights inswapper_128 are not here: run `pawfect weights add inswapper_128`"
    flow.refused = PawfectError(ErrorKind.UNAVAILABLE, mended)
    failed = run(desk, "--consent")
    assert failed.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code
    assert mended in failed.output


def test_the_server_says_which_command_brings_the_networks(desk, server, anna):
    desk.put("anna.png", png(astronaut()))
    files = [str(desk.root / name) for name in ("photo.png", "anna.png")]
    options = ["-o", str(desk.out), "--consent", "--url", server.endpoints.grpc]
    failed = CliRunner().invoke(swap, [*files, *options])
    assert failed.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code, failed.output
    assert "run `pawfect weights fetch buffalo_l`" in failed.output
    assert not list(desk.task().glob("candidate_*"))


def test_a_search_swaps_tasks_of_a_file_with_consent_alone(desk, flow, anna):
    entry = {
        "id": 1,
        "init_image_url": "photo.png",
        "mask_image_url": "mask.png",
        "character_image_url": "anna.png",
    }
    refused = desk.tasks([entry], "--proposer=swap")
    assert refused.exit_code == WRONG
    assert "consent: expected true" in refused.output
    assert desk.tasks([entry | {"proposer": "swap"}]).exit_code == WRONG
    assert flow.requests == []
    assert desk.tasks([entry], "--proposer=swap", "--consent").exit_code == 0
    (asked,) = flow.requests
    assert asked["parameters"]["consent"] is True
    assert asked["parameters"]["caller"] == account()


def test_every_client_swaps_alike(flow):
    anna = PHOTO[::-1].copy()
    given = {"seed": 3, "m_global": 1, "k_global": 3, "caller": "Julia"}
    with serving(Triton()) as url:

        async def waited():
            async with AsyncPawfectClient(url) as client:
                return await client.swap(PHOTO, anna, consent=True, **given)

        answers = [asyncio.run(waited())]
        for client in (PawfectClient(url), LocalClient()):
            with client:
                answers.append(client.swap(PHOTO, anna, consent=True, **given))
    assert [one["names"] for one in flow.requests] == [["IMAGE", "REFERENCE"]] * 3
    assert len({json.dumps(one["parameters"], sort_keys=True) for one in flow.requests}) == 1
    with LocalClient() as client:
        *_, last = client.swap_stream(PHOTO, anna, consent=True, mask=MASK, **given)
    assert last.report.hole_px == np.count_nonzero(MASK)
    for one in answers:
        assert (one.report.proposer, one.report.preset) == ("swap", "photoreal")
        np.testing.assert_array_equal(one.image, answers[0].image)


def test_no_client_sends_a_swap_without_consent_or_a_fill_without_a_mask(flow):
    anna = PHOTO[::-1].copy()
    wrong = ErrorKind.INVALID_ARG
    for client in (PawfectClient("127.0.0.1:9"), LocalClient()):
        with client:
            told = refusal(wrong, client.swap, PHOTO, anna, consent=False)
            assert told.startswith("consent: expected true, by which")
            told = refusal(wrong, client.swap, PHOTO, anna, consent="true")
            assert told == "consent: expected true or false, got str 'true'"
            told = refusal(wrong, client.swap, PHOTO, None, consent=True)
            assert told.startswith("REFERENCE: expected the character's picture")
            told = refusal(wrong, client.search, PHOTO, None, reference=anna, proposer="edit")
            assert told == "MASK: expected a mask with proposer=edit, got none"
    assert flow.requests == []


def test_the_page_of_swaps_names_the_options_that_a_search_has_not():
    page = (Path(__file__).parents[3] / "docs" / "swap.md").read_text()
    known = {option for one in search.params for option in one.opts}
    own = {option for one in swap.params for option in one.opts if option.startswith("--")} - known
    assert own == {"--mask"}
    shared = ("--mask", "--consent", "--caller", "--pixel-boost", "--prompt", "-o ")
    assert [option for option in shared if option not in page] == []
