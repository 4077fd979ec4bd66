"""A fill is scored against the truth where there is one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.profile import load_profile
from pawfect.scene.prompt import Label
from pawfect.scores.seam import seam_step
from perf.audit.matrix import Source
from perf.audit.sessions import Place, Session, judge, judge_labels

PROFILE = load_profile("tiny")


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.normal(0, 25, (16, 16, 3)).astype(np.float32)
    image = cv2.resize(coarse, (160, 160), interpolation=cv2.INTER_CUBIC) + (90, 130, 70)
    return np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def hole() -> np.ndarray:
    hole = np.zeros((160, 160), np.uint8)
    hole[50:110, 40:120] = 255
    return hole


def place(truth, hole, known: bool, around=()) -> Place:
    session = Session(Source("lawn"), truth, hole, None, truth if known else None)
    return Place(session, hole, np.zeros_like(hole), around)


def test_a_smear_has_less_of_a_seam_than_the_truth_and_is_not_the_better_for_it(truth, hole):
    smear = cv2.inpaint(truth, hole, 5, cv2.INPAINT_TELEA)
    assert seam_step(smear, hole > 0) < seam_step(truth, hole > 0)
    perfect, smeared = (judge(image, place(truth, hole, True)) for image in (truth, smear))
    assert perfect["seam_off"] == 0
    assert smeared["seam_off"] > 0
    assert smeared["st_lpips"] > perfect["st_lpips"] == pytest.approx(0, abs=1e-6)
    unknown = judge(smear, place(truth, hole, False))
    assert unknown["seam_off"] == seam_step(smear, hole > 0)
    assert "st_lpips" not in unknown


def test_labels_that_the_surroundings_lack_are_strange(truth, hole):
    inside = (Label("grass", 1, 0.5), Label("hand", 1, 0.4), Label("sky", 1, 0.1))
    around = (Label("grass"),)
    known = place(truth, hole, True, around)
    assert judge_labels(known, inside, PROFILE) == {"strange": 0.4}
    assert judge_labels(place(truth, hole, True), inside, PROFILE) == {}
