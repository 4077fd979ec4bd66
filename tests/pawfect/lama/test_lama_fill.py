"""`lama_fill` as its callers see it: led by a network's drawing, made of the photo's own pixels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.parameters import FillParams
from pawfect.lama.serving import distance, lama
from pawfect.lama.view import cut
from pawfect.out_of_memory import require
from pawfect.patch.engine import fill
from pawfect.settings import LamaSettings
from tests.pawfect.lama import networks
from tests.pawfect.patch.test_bad_input import KNOWN, masked, middle, painted
from tests.pawfect.patch.test_lead import bay, off
from tests.pawfect.patch.textures import MAGENTA, box_mask, has_magenta, hidden, stones
from tests.refusals import refusal

SETTINGS = LamaSettings("cpu", 1, 96, 1000)


def answered(folder: Path, image, mask, protect=None, **parameters) -> tuple[np.ndarray, dict]:
    """Fill with the network of a folder; return the picture and the report."""
    inputs = {"IMAGE": image, "MASK": mask}
    if protect is not None:
        inputs["PROTECT"] = protect
    outputs = lama(SETTINGS, folder)(inputs, FillParams(**parameters))
    assert set(outputs) == {"IMAGE", "REPORT"}
    return outputs["IMAGE"], json.loads(outputs["REPORT"][0])


@pytest.mark.parametrize(("side", "drawn_at"), [(160, 96), (250, 64), (300, 96)])
def test_a_network_that_knows_the_answer_leads_the_fill_to_it(side, drawn_at, tmp_path):
    truth = bay(side)
    edge = side // 4
    mask = box_mask(truth.shape, edge, edge, side - edge, side - edge)
    seen = truth[cut(mask > 0, drawn_at).slices]
    answer = cv2.resize(seen, (drawn_at, drawn_at), interpolation=cv2.INTER_AREA)
    image = hidden(truth, mask)
    filled, report = answered(networks.knowing(tmp_path / "made", answer), image, mask)
    plain = fill(image, mask).image
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])
    assert not has_magenta(filled)
    assert off(filled, truth, mask) < 0.6 * off(plain, truth, mask)
    assert (report["method"], report["contract"], report["levels"]) == ("lama", "masked", 1.0)
    assert report["off_drawing"] < distance(plain, truth, mask > 0)


FILES: dict[str, Callable[[Path], Path]] = {
    "random": networks.random,
    "masked": networks.masked,
    "pair": networks.pair,
    "pipeline": networks.pipeline,
}
LITTLE_KNOWN = ("a rim of 1 px", "every other pixel", "one corner's pixel", "one row")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "box", [(0, 0, 30, 45), (100, 60, 131, 97), (40, 30, 80, 60), (2, 2, 130, 96)],
    ids=["corner", "far corner", "middle", "most of it"],
)  # fmt: skip
def test_holes_anywhere_are_filled_from_the_photo_whatever_the_network_draws(file, box, tmp_path):
    image = stones(97, 131)
    mask = box_mask(image.shape, *box)
    filled, report = answered(FILES[file](tmp_path / "made"), hidden(image, mask), mask)
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])
    assert not has_magenta(filled)
    if report["method"] == "lama":
        # Copies of stones, in whatever tone they meet: red over green over blue.
        inside = filled[mask > 0].astype(int)
        assert (inside[:, 0] >= inside[:, 2] - 2).mean() > 0.99


@pytest.mark.parametrize("file", FILES)
def test_photos_as_thin_as_a_line_and_holes_with_next_to_nothing_known_are_filled(file, tmp_path):
    folder = FILES[file](tmp_path / "made")
    given = [(stones(*KNOWN[name].shape), masked(KNOWN[name])) for name in LITTLE_KNOWN]
    thin = ((1, 2), (1, 400), (400, 1), (7, 200))
    given += [(stones(*shape), middle(*shape)) for shape in thin]
    for image, mask in given:
        one, other = (answered(folder, painted(image, mask, under), mask)[0] for under in (0, 255))
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one[mask == 0], image[mask == 0])


def test_what_lies_under_the_mask_has_no_influence(tmp_path):
    image = stones(120, 150)
    mask = box_mask(image.shape, 40, 40, 90, 80)
    folder = networks.random(tmp_path / "made")
    one, other = (
        answered(folder, np.where((mask > 0)[..., None], np.uint8(grey), image), mask, seed=4)[0]
        for grey in (0, 255)
    )
    np.testing.assert_array_equal(one, other)


def test_protected_pixels_stay_and_are_neither_shown_nor_copied(tmp_path):
    image = stones(120, 160)
    mask = box_mask(image.shape, 50, 40, 100, 80)
    protect = box_mask(image.shape, 90, 20, 140, 100)
    image[protect > 0] = MAGENTA
    folder = networks.random(tmp_path / "made")
    filled, _ = answered(folder, image, mask, protect)
    kept = (protect > 0) & (mask == 0)
    np.testing.assert_array_equal(filled[kept], image[kept])
    assert not has_magenta(filled[mask > 0])


def test_where_nothing_can_be_copied_the_drawing_itself_fills(tmp_path):
    image = stones(64, 64)
    mask = box_mask(image.shape, 2, 2, 62, 62)
    filled, report = answered(networks.pair(tmp_path / "made"), hidden(image, mask), mask)
    assert report["method"] == "lama, drawn"
    inner = box_mask(image.shape, 8, 8, 56, 56) > 0
    assert (filled[inner] == networks.RED).all()


def test_a_smaller_working_size_and_another_seed_are_heeded(tmp_path):
    image = stones(200, 200)
    mask = box_mask(image.shape, 60, 60, 140, 140)
    folder = networks.random(tmp_path / "made")
    first = answered(folder, image, mask)[0]
    for other in ({"seed": 1}, {"working_px": 100}):
        assert (answered(folder, image, mask, **other)[0] != first).any()
    np.testing.assert_array_equal(answered(folder, image, mask)[0], first)


def test_planes_of_another_size_and_masks_without_a_rim_are_refused(tmp_path):
    image = stones(64, 64)
    run = lama(SETTINGS, networks.random(tmp_path / "made"))
    for mask in (np.zeros((64, 64), np.uint8), np.full((64, 64), 255, np.uint8)):
        refusal(ErrorKind.INVALID_ARG, run, {"IMAGE": image, "MASK": mask}, FillParams())
    small = {"IMAGE": image, "MASK": np.zeros((64, 60), np.uint8)}
    assert "60x64" in refusal(ErrorKind.INVALID_ARG, run, small, FillParams())


def test_a_picture_too_large_for_the_memory_says_so(tmp_path):
    image = stones(64, 64)
    inputs = {"IMAGE": image, "MASK": box_mask(image.shape, 20, 20, 40, 40)}
    run = lama(SETTINGS, networks.greedy(tmp_path / "made"))
    message = refusal(
        ErrorKind.OUT_OF_MEMORY, require, "lama_fill", lambda: run(inputs, FillParams())
    )
    assert message == "lama_fill: out of memory"


def test_the_distance_from_the_drawing_is_that_of_their_colours():
    image = np.full((100, 100, 3), 120, np.uint8)
    hole = box_mask(image.shape, 30, 30, 70, 70) > 0
    assert distance(image, image, hole) == 0
    darker = np.full_like(image, 96)
    # L of grey 120 and 96.
    assert distance(image, darker, hole) == pytest.approx(50.3 - 40.7, abs=0.4)
