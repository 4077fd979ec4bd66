"""The local judge: what it ranks, what it stays silent on, and that it says the same each time."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import pytest

from pawfect.contract.scores import CONSISTENCY, REALISM, Judgement
from pawfect.patch.engine import fill
from pawfect.picture.mask import clean_mask
from pawfect.scene.prompt import Label
from pawfect.scores.local import FLAWS, SCALES, Seen, judge_locally
from perf.scenes import QUALITY_GROUPS, load_scene, scene_names
from tests.lawn import holes, lawn

# One in which nothing shows that it was turned round, and three in which joints do.
STRUCTURED = ("brick_ball", "tiles_cushion", "parquet_large_legs")
AXES = (CONSISTENCY, REALISM)
SCENES = ("gravel_toys", *STRUCTURED)
HEIGHT, WIDTH = 160, 200
PHOTO = lawn(HEIGHT, WIDTH)
HOLE = holes(HEIGHT, WIDTH, (70, 50, 130, 110))


def within(fill: np.ndarray, photo: np.ndarray, hole: np.ndarray) -> np.ndarray:
    return np.where((hole > 0)[..., None], fill, photo)


def turned(photo: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The photo with what is in the hole's box turned by 180 degrees, within the hole."""
    rows, columns = np.nonzero(hole)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    content = photo.copy()
    content[box] = photo[box][::-1, ::-1]
    return within(content, photo, hole)


@cache
def judged(name: str) -> dict[str, Judgement]:
    """A scene's truth, fills and the object itself, by name."""
    scene = load_scene(name)
    factor = 384 / max(scene.truth.shape)
    height, width = (round(side * factor) for side in scene.truth.shape[:2])
    scene = scene.resized(width, height)
    hole = clean_mask(scene.mask).mask
    results = {
        "truth": within(scene.truth, scene.photo, hole),
        "patches": fill(scene.photo, hole).image,
        "telea": cv2.inpaint(scene.photo, hole, 5, cv2.INPAINT_TELEA),
        "turned": turned(scene.truth, hole),
        "object": scene.photo,
    }
    return {kind: judge_locally(image, scene.photo, hole) for kind, image in results.items()}


def mean(kind: str, axis: str, scenes: tuple[str, ...] = SCENES) -> float:
    return float(np.mean([judged(name)[kind].scores[axis] for name in scenes]))


@pytest.mark.slow
def test_patches_are_about_as_good_as_the_truth_and_better_than_a_smear():
    for axis in AXES:
        assert mean("truth", axis) > mean("patches", axis) - 0.25
        assert mean("patches", axis) > mean("telea", axis) + 1
    for name in SCENES:
        scores = {kind: judged(name)[kind].scores for kind in ("patches", "telea")}
        assert scores["patches"][REALISM] > scores["telea"][REALISM] + 2


@pytest.mark.slow
def test_on_all_scenes_truth_comes_first_then_patches_then_a_smear():
    scenes = scene_names(*QUALITY_GROUPS)
    for axis in AXES:
        order = [mean(kind, axis, scenes) for kind in ("truth", "patches", "telea", "object")]
        assert order[0] >= order[1] > order[2] + 0.75
    assert order[1] > order[3] + 0.75
    turned = mean("turned", CONSISTENCY, scenes)
    assert turned < mean("patches", CONSISTENCY, scenes) - 1
    spread = [judged(name)["patches"].scores[CONSISTENCY] for name in scenes]
    assert np.ptp(spread) > 2
    assert min(spread) > 4


def test_a_photo_turned_round_in_the_hole_is_real_and_does_not_belong_there():
    assert mean("truth", CONSISTENCY) > mean("turned", CONSISTENCY) + 1
    for name in STRUCTURED:
        scores = judged(name)
        assert scores["turned"].scores[CONSISTENCY] < scores["patches"].scores[CONSISTENCY] - 1
    assert mean("turned", REALISM) > mean("patches", REALISM) - 1


def test_an_object_that_was_never_taken_out_is_judged_like_any_fill():
    for name in SCENES:
        judgement = judged(name)["object"]
        assert judgement.parts["changed"] == 0
        assert judgement.scores[CONSISTENCY] < judged(name)["patches"].scores[CONSISTENCY] - 2


def test_fills_do_not_all_get_the_same_score():
    scores = [judged(name)["patches"].scores[axis] for name in SCENES for axis in AXES]
    assert max(scores) - min(scores) > 0.5
    assert all(5 < score <= 10 for score in scores)


def test_the_same_arguments_give_the_same_judgement_whatever_lies_far_from_the_hole():
    once, again = (judge_locally(PHOTO, PHOTO, HOLE) for _ in range(2))
    assert (once.scores, once.parts) == (again.scores, again.parts)
    wide, mask = (
        np.pad(PHOTO, ((90, 0), (0, 90), (0, 0)), mode="edge"),
        np.pad(HOLE, ((90, 0), (0, 90))),
    )
    far = judge_locally(wide, wide, mask)
    assert far.scores[CONSISTENCY] == pytest.approx(once.scores[CONSISTENCY], abs=1)


def test_the_judgement_says_who_judged_what_was_measured_and_nothing_of_identity():
    judgement = judge_locally(PHOTO, PHOTO, HOLE)
    assert judgement.judge == "local"
    assert set(judgement.scores) == {CONSISTENCY, REALISM}
    assert judgement.silent == {}
    assert set(judgement.parts) == set(SCALES) | {"changed"}
    assert all(map(math.isfinite, judgement.parts.values()))
    assert Judgement.from_json(judgement.to_json()) == judgement


@pytest.mark.parametrize("name", [*SCALES, *FLAWS])
def test_a_score_falls_from_10_as_its_measure_grows_and_halves_at_its_half(name):
    scale = (SCALES | FLAWS)[name]
    values = [scale.score(value) for value in np.linspace(-5, 50, 200)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 10
    assert 0 <= values[-1] < 5
    assert scale.score(scale.free + scale.half) == pytest.approx(5)


def test_each_fault_lowers_its_own_axis():
    truth = judge_locally(PHOTO, PHOTO, HOLE)
    lighter = within(np.clip(PHOTO.astype(int) + 40, 0, 255).astype(np.uint8), PHOTO, HOLE)
    smeared = within(cv2.GaussianBlur(PHOTO, (0, 0), 3), PHOTO, HOLE)
    noise = np.random.default_rng(1).normal(0, 25, PHOTO.shape)
    grainy = within(np.clip(PHOTO + noise, 0, 255).astype(np.uint8), PHOTO, HOLE)
    stamp = np.tile(PHOTO[:15, :15], (HEIGHT // 15 + 1, WIDTH // 15 + 1, 1))[:HEIGHT, :WIDTH]
    faults = {
        "seam": (lighter, CONSISTENCY),
        "tone": (lighter, CONSISTENCY),
        "sharpness": (smeared, REALISM),
        "spectrum": (smeared, REALISM),
        "grain": (grainy, REALISM),
        "repeats": (within(stamp, PHOTO, HOLE), REALISM),
    }
    for name, (result, axis) in faults.items():
        judgement = judge_locally(result, PHOTO, HOLE)
        assert SCALES[name].score(judgement.parts[name]) < SCALES[name].score(truth.parts[name]) - 2
        assert judgement.scores[axis] < truth.scores[axis] - 1, name


def test_a_gradient_in_steps_beside_a_grainy_one_is_no_photo():
    slope = np.broadcast_to(np.linspace(60, 180, WIDTH)[None, :, None], PHOTO.shape)
    grainy = np.clip(slope + np.random.default_rng(2).normal(0, 2, slope.shape), 0, 255)
    photo = grainy.astype(np.uint8)
    steps = within((slope // 12 * 12).astype(np.uint8), photo, HOLE)
    banded, truth = (judge_locally(result, photo, HOLE) for result in (steps, photo))
    assert banded.parts["flat"] > 0.5
    assert banded.scores[REALISM] < 3 < 6 < truth.scores[REALISM]


@pytest.mark.parametrize(
    ("hole", "says"),
    [
        (np.zeros((HEIGHT, WIDTH), np.uint8), "nothing was filled"),
        (np.full((HEIGHT, WIDTH), 255, np.uint8), "touches all edges"),
        (255 - holes(HEIGHT, WIDTH, (90, 70, 110, 90)), "touches all edges"),
        (holes(HEIGHT, WIDTH, (90, 70, 94, 74)), "too small"),
    ],
    ids=["empty", "full", "frame", "4 px"],
)
def test_what_cannot_be_compared_gets_no_score(hole, says):
    judgement = judge_locally(PHOTO, PHOTO, hole)
    assert judgement.scores == {}
    assert set(judgement.silent) == {CONSISTENCY, REALISM}
    assert all(says in why for why in judgement.silent.values())


def test_a_photo_of_one_colour_says_nothing_of_realism():
    plain = np.full_like(PHOTO, 120)
    judgement = judge_locally(plain, plain, HOLE)
    assert judgement.scores[CONSISTENCY] > 7
    assert set(judgement.silent) == {REALISM}
    darker = within(np.full_like(PHOTO, 60), plain, HOLE)
    assert judge_locally(darker, plain, HOLE).scores[CONSISTENCY] < 3


def test_a_leash_is_thin_and_judged_all_the_same():
    leash = np.zeros_like(HOLE)
    cv2.line(leash, (20, 30), (180, 130), 255, 7)
    light = within(np.full_like(PHOTO, 250), PHOTO, leash)
    scores = [judge_locally(result, PHOTO, leash).scores for result in (PHOTO, light)]
    assert scores[0][CONSISTENCY] > 6 > 3 > scores[1][CONSISTENCY]


def test_many_holes_count_by_their_area():
    both = holes(HEIGHT, WIDTH, (20, 50, 50, 80), (120, 20, 190, 150))
    light = np.full_like(PHOTO, 250)
    small, large = (
        within(light, PHOTO, holes(HEIGHT, WIDTH, box))
        for box in ((20, 50, 50, 80), (120, 20, 190, 150))
    )
    scores = [judge_locally(result, PHOTO, both).scores[CONSISTENCY] for result in (small, large)]
    assert scores[0] > scores[1]


def test_what_networks_see_caps_consistency_and_nothing_else():
    plain = judge_locally(PHOTO, PHOTO, HOLE)
    grass, bench = Label("grass", 0.9, 0.7), Label("bench", 0.8, 0.3)
    seen = {
        "strange": Seen(inside=(grass, bench), around=(grass,)),
        "subject": Seen(subject_share=0.5),
    }
    for name, what in seen.items():
        judgement = judge_locally(PHOTO, PHOTO, HOLE, what)
        assert judgement.scores[CONSISTENCY] == pytest.approx(
            FLAWS[name].score(judgement.parts[name]), abs=1e-3
        )
        assert judgement.scores[CONSISTENCY] < plain.scores[CONSISTENCY] - 2
        assert judgement.scores[REALISM] == plain.scores[REALISM]
    assert judge_locally(PHOTO, PHOTO, HOLE, seen["strange"]).parts["strange"] == 0.3
    fine = Seen(inside=(grass,), around=(grass, bench), subject_share=0.0)
    assert judge_locally(PHOTO, PHOTO, HOLE, fine).scores == plain.scores
    unknown = judge_locally(PHOTO, PHOTO, HOLE, Seen(inside=(bench,)))
    assert "strange" not in unknown.parts


def test_surroundings_that_were_changed_lower_consistency():
    other = np.clip(PHOTO.astype(int) + 25, 0, 255).astype(np.uint8)
    judgement = judge_locally(other, PHOTO, HOLE)
    assert judgement.parts["changed"] > 5
    assert judgement.scores[CONSISTENCY] < 3


def test_wrong_sizes_and_types_are_named():
    for result, original, hole, says in (
        (PHOTO[1:], PHOTO, HOLE, "result: expected uint8"),
        (PHOTO, PHOTO.astype(np.float32), HOLE, "original: expected uint8"),
        (PHOTO, PHOTO, HOLE > 0, "hole: expected uint8"),
    ):
        with pytest.raises(ValueError, match=says):
            judge_locally(result, original, hole)
