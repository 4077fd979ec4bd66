"""Masks by words through a real server: the model, both clients, the commands."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
from click.testing import CliRunner

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.contract.find import FindMasksParams, FindReport
from pawfect.contract.texts import text_tensor
from pawfect.picture.mask import clean_mask
from pawfect.scene.found_masks import found_masks
from pawfect_client import FoundMasks, PawfectClient, load_mask, load_photo
from pawfect_client.command import inpaint
from pawfect_client.mask_command import mask
from tests.client.serving import AsyncFromOutside
from tests.pawfect.photo.pictures import png
from tests.refusals import refusal
from tests.server.neural.conftest import PROFILE, Tensors, photo

PHOTO = photo(4)


def raw_bytes(data: bytes) -> np.ndarray:
    return np.array([data], np.object_)


BOX = np.array([[20, 30, 90, 100]], np.float32)


@pytest.fixture(scope="module")
def sync(neural_server) -> Iterator[PawfectClient]:
    with PawfectClient(neural_server.endpoints.grpc) as client:
        yield client


@pytest.fixture(scope="module")
def some(sync) -> tuple[float, FoundMasks]:
    """A score over which some of the photo, and not nearly all of it, is a leash."""
    every = sync.find_masks(PHOTO, "leash", least_score=0.0, most=64)
    for kept in range(1, len(every.scores)):
        least = float(every.scores[kept - 1] + every.scores[kept]) / 2
        found = sync.find_masks(PHOTO, "leash", least_score=least, joined=True)
        if 0.02 < (found.masks > 0).mean() < 0.9:
            return least, found
    raise AssertionError("the random weights find everything or nothing")


@pytest.mark.parametrize("asked", [("leash", None), ("hand", BOX), (None, BOX)])
def test_masks_are_those_of_the_library_to_both_clients(sync, library, neural_server, asked):
    phrase, boxes = asked
    given: Tensors = {"IMAGE": PHOTO}
    if phrase:
        given["PHRASE"] = text_tensor(phrase)
    if boxes is not None:
        given["BOXES"] = boxes
    proposed = library("sam3_labeling", given)
    params = FindMasksParams(least_score=0.01, most=5)
    expected = found_masks(proposed["SCORES"], proposed["MASK_LOGITS"], *PHOTO.shape[:2], params)
    assert len(expected.masks) == 5
    with AsyncFromOutside(neural_server.endpoints.grpc) as outside:
        for client in (sync, outside):
            found = client.find_masks(PHOTO, phrase, boxes=boxes, least_score=0.01, most=5)
            assert np.array_equal(found.masks, expected.masks)
            np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
            report = found.report
            assert [find.area_px for find in report.finds] == [
                int((one > 0).sum()) for one in expected.masks
            ]
            assert (report.phrase, report.boxes) == (phrase, 0 if boxes is None else 1)
            assert (report.width, report.height, report.profile) == (128, 128, PROFILE)
            assert report.presence == pytest.approx(float(proposed["PRESENCE"][0]), rel=1e-5)
            assert set(report.stage_ms) == {"sam3", "masks"}
            assert sum(report.stage_ms.values()) <= report.total_ms
            assert "tiny-sam3" in report.weights["sam3"]


def test_a_phrase_that_names_nothing_gives_no_mask_and_no_error(sync):
    found = sync.find_masks(PHOTO, "leash", least_score=1.0)
    assert found.masks.shape == (0, 128, 128)
    assert found.scores.shape == (0,)
    assert (found.report.finds, found.report.left_out) == ((), 0)


@pytest.mark.parametrize("size", [(64, 64), (64, 4096)])
def test_the_smallest_and_a_very_long_photo_are_looked_at(sync, size):
    image = np.resize(PHOTO, (*size, 3))
    assert sync.find_masks(image, "leash", least_score=0.0, most=2).masks.shape == (2, *size)


@pytest.mark.parametrize(
    ("change", "parameters", "says"),
    [
        ({"PHRASE": None}, {}, "PHRASE, BOXES: expected at least one of them, got neither"),
        ({"PHRASE": raw_bytes(b" ")}, {}, "PHRASE: expected words, such as leash, got an empty"),
        ({"PHRASE": raw_bytes(b"\x07")}, {}, "got the control character U+0007"),
        ({"PHRASE": raw_bytes(b"x" * 50_000)}, {}, "at most 2048 bytes, got 50000 bytes"),
        ({"PHRASE": raw_bytes(b"\xff")}, {}, "PHRASE: expected UTF-8, got byte 0xff"),
        ({"PHRASE": text_tensor("xyz " * 40)}, {}, "PHRASE: expected at most 32 tokens"),
        ({"BOXES": BOX + 100}, {}, "BOXES: expected x0 < x1 and y0 < y1 within 0 to 128"),
        ({"BOXES": BOX[:0]}, {}, "BOXES: expected 1 to 16 boxes, got 0"),
        ({"BOXES": BOX[:, ::-1].copy()}, {}, "got 100, 90, 30, 20"),
        ({"BOXES": np.full((1, 4), np.nan, np.float32)}, {}, "got nan, nan, nan, nan"),
        ({"IMAGE": PHOTO[:63]}, {}, "IMAGE: expected sides of 64 to 16384 px, got 128x63"),
        ({}, {"most": 65}, "most: expected from 1 to 64, got 65"),
        ({}, {"least_score": 2.0}, "least_score: expected from 0.0 to 1.0, got 2.0"),
        ({}, {"colour": 1}, "got colour"),
    ],
)
def test_bad_input_is_named_and_the_next_request_works(client, change, parameters, says):
    good = {"IMAGE": PHOTO, "PHRASE": text_tensor("leash")}
    bad = {name: array for name, array in (good | change).items() if array is not None}
    said = refusal(ErrorKind.INVALID_ARG, client.ask, "find_masks", bad, **parameters)
    assert says in said
    assert "/" not in said
    answer = client.ask("find_masks", good, least_score=0.0, most=1)
    assert FindReport.from_json(answer["REPORT"][0]).phrase == "leash"


def test_points_are_no_input_and_the_refusal_says_so(client):
    points = triton.InferInput("POINTS", [1, 3], "FP32")
    points.set_data_from_numpy(np.zeros((1, 3), np.float32))
    image = triton.InferInput("IMAGE", list(PHOTO.shape), "UINT8")
    image.set_data_from_numpy(PHOTO)
    with pytest.raises(triton.InferenceServerException, match="POINTS") as caught:
        client.grpc.infer("find_masks", [image, points])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


# --- the commands -------------------------------------------------------------------------------
@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the photo."""
    (tmp_path / "photo.png").write_bytes(png(PHOTO))
    return tmp_path


@pytest.fixture
def run(desk, neural_server) -> Callable:
    def command(which, *options: str):
        url = f"--url={neural_server.endpoints.grpc}"
        return CliRunner().invoke(which, [str(desk / "photo.png"), url, *options])

    return command


def test_the_mask_of_what_words_find_is_written_and_said(run, desk, some):
    least, found = some
    out = desk / "mask.png"
    done = run(mask, "--find=leash", f"--least-score={least}", f"--out={out}")
    assert done.exit_code == 0, done.output
    assert np.array_equal(load_mask(out, load_photo(desk / "photo.png")), found.masks[0])
    area = int((found.masks > 0).sum())
    said = f"leash: score {found.scores[0]:.2f}, {100 * area / 128**2:.2g} % of the photo"
    assert said in done.output
    assert f"({area} px" in done.output


def test_words_that_find_nothing_write_nothing_and_are_named(run, desk):
    for which, word in ((mask, "--find"), (inpaint, "--remove")):
        out = desk / "out.png"
        options = [f"{word}=leash", f"--out={out}", *(["--yes"] if which is inpaint else [])]
        nothing = run(which, *options, "--least-score=1")
        assert nothing.exit_code == TABLE[ErrorKind.INVALID_ARG].exit_code
        assert "by the name of 'leash', got nothing" in nothing.output
        assert list(desk.iterdir()) == [desk / "photo.png"]


def test_what_words_find_is_said_and_filled_and_all_else_kept(run, desk, some):
    least, found = some
    out = desk / "out.png"
    options = ["--remove=leash", f"--least-score={least}", f"--out={out}", "--param=engine=patch"]
    done = run(inpaint, *options, "--yes", "--param=dilate_px=0", "--param=least_speck_px=0")
    assert done.exit_code == 0, done.output
    assert "leash: score" in done.output
    filled = load_photo(out).pixels
    # What is cleaned of a mask that should not grow: gaps of some pixels close.
    kept = clean_mask(found.masks[0], dilate_px=0, least_speck_px=0).mask == 0
    assert kept.sum() > 0.9 * (found.masks[0] == 0).sum()
    assert np.array_equal(filled[kept], PHOTO[kept])
    assert (filled[~kept] != PHOTO[~kept]).any()


def test_on_a_terminal_a_no_fills_nothing(desk, neural_server, some):
    ours, theirs = pty.openpty()
    options = ["--remove=leash", f"--least-score={some[0]}", f"--out={desk / 'out.png'}"]
    options += [f"--url={neural_server.endpoints.grpc}"]
    pawfect = str(Path(sys.executable).with_name("pawfect"))
    command = [pawfect, "inpaint", str(desk / "photo.png"), *options]
    asking = subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE, text=True)
    try:
        os.write(ours, b"n\n")
        _, said = asking.communicate(timeout=60)
    finally:
        asking.kill()
        os.close(ours)
        os.close(theirs)
    assert "leash: score" in said
    assert "Remove this? [y/N]" in said
    assert "nothing was removed" in said
    assert asking.returncode == TABLE[ErrorKind.CANCELLED].exit_code
    assert list(desk.iterdir()) == [desk / "photo.png"]
