"""What the engine `flux` makes of a photo: diffusers' picture in the hole, the photo outside."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline

from pawfect.contract.report import Report
from pawfect.local import inpaint_local
from tests.lawn import holes, lawn
from tests.oracle import fill_by_pipeline, load_pipeline
from tests.pawfect.orchestrator.cards import with_chain
from tests.pawfect.orchestrator.conftest import HOLE, SMALL, late

EXACT = {"dilate_px": 0, "feather_px": 0, "match_colour": False}
# Two holes too far apart for one window, whose canvases overlap each other's hole.
WIDE = (128, 400)
APART = ((60, 50, 80, 70), (268, 50, 288, 70))


@pytest.fixture(scope="module")
def pipeline(tiny_weights) -> FluxFillPipeline:
    """The oracle, loaded by diffusers and transformers themselves."""
    return load_pipeline(tiny_weights / "tiny-flux-fill")


@pytest.mark.parametrize(
    ("size", "box", "asked", "ran"),
    [
        ((256, 256), (60, 80, 170, 180), {"seed": 5, "steps": 4, "guidance_scale": 30.0}, 4),
        ((128, 128), (40, 50, 80, 90), {"seed": 2**63 - 1, "steps": 2, "guidance_scale": 0.0}, 2),
        ((112, 144), (50, 40, 90, 70), {"seed": 9, "steps": 1, "guidance_scale": 3.5}, 1),
        ((128, 128), (40, 50, 80, 90), {"seed": 5, "steps": 4, "strength": 0.5}, 2),
        ((112, 144), (50, 40, 90, 70), {"seed": 1, "steps": 10, "strength": 0.3}, 3),
    ],
)
def test_the_hole_shows_what_diffusers_pipeline_paints(fill, pipeline, tiny, size, box, asked, ran):
    photo, mask = lawn(*size), holes(*size, box)
    run = fill(
        photo, mask, engine="flux", scene_labels=("grass", "fallen leaves"), **EXACT, **asked
    )
    assert run.report.prompt == "grass with fallen leaves"
    (window,) = run.report.windows
    assert window.box == (0, 0, size[1], size[0])
    assert window.working_px == max(size)
    start = photo
    if "strength" in asked:
        start = fill(photo, mask, engine="patch", **EXACT, seed=asked["seed"]).image
    expected = fill_by_pipeline(
        pipeline,
        start,
        mask,
        prompt=run.report.prompt,
        steps=run.report.steps,
        guidance=run.report.guidance_scale,
        strength=run.report.strength,
        seed=run.report.seed,
        tokens=tiny.flux.text_tokens,
    )
    hole = mask > 0
    np.testing.assert_array_equal(run.filled.clean_mask, mask)
    assert np.abs(run.image[hole].astype(int) - expected[hole]).max() <= 1
    np.testing.assert_array_equal(run.image[~hole], photo[~hole])
    assert (run.image[hole] != start[hole]).any()
    # From a prior only the last steps run.
    assert run.calls("flux_transformer") == ran


def test_beyond_mask_and_feather_every_pixel_is_the_photos(fill):
    run = fill(SMALL, HOLE, engine="flux", feather_px=6, dilate_px=5)
    clean = run.filled.clean_mask > 0
    assert np.count_nonzero(clean) > np.count_nonzero(HOLE)
    away = cv2.distanceTransform((~clean).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    np.testing.assert_array_equal(run.image[away > 6], SMALL[away > 6])
    for inside in (clean, ~clean & (away <= 6)):
        assert (run.image[inside] != SMALL[inside]).any()


def test_protected_pixels_stay_even_under_the_feather(fill):
    protect = holes(96, 96, (54, 20, 80, 80))
    run = fill(SMALL, HOLE, engine="flux", feather_px=20, protect=protect)
    np.testing.assert_array_equal(run.image[protect > 0], SMALL[protect > 0])
    left = (protect == 0) & (run.filled.clean_mask > 0)
    assert (run.image[left] != SMALL[left]).any()


def test_the_same_request_gives_the_same_pixels_and_another_seed_others(fill):
    one, same, other = (fill(SMALL, HOLE, engine="flux", seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.image, same.image)
    assert (one.image != other.image).any()


def test_far_apart_holes_get_canvases_of_their_own_and_all_are_filled(fill):
    photo = lawn(*WIDE)
    mask = holes(*WIDE, *APART)
    photo[mask > 0] = (255, 0, 255)
    run = fill(photo, mask, engine="flux", seed=2**63 - 1, **EXACT)
    assert [window.holes for window in run.report.windows] == [*APART]
    assert [window.method for window in run.report.windows] == ["flux", "flux"]
    # Each with noise of its own, counted on from the request's seed.
    assert [window.seed for window in run.report.windows] == [2**63 - 1, 0]
    for x0, y0, x1, y1 in APART:
        changed = (run.image[y0:y1, x0:x1] != (255, 0, 255)).any(axis=2)
        assert changed.mean() > 0.95
    np.testing.assert_array_equal(run.image[mask == 0], photo[mask == 0])


@pytest.mark.parametrize("asked", [{}, {"strength": 0.5}])
def test_what_is_under_any_hole_changes_nothing(fill, asked):
    photo, mask = lawn(*WIDE), holes(*WIDE, *APART)
    painted = photo.copy()
    painted[mask > 0] = (255, 0, 255)
    one, other = (fill(p, mask, engine="flux", **asked) for p in (photo, painted))
    boxes = [window.box for window in one.report.windows]
    # The canvas of one hole does hold the other hole, else this would prove little.
    assert boxes[0][2] > APART[1][0]
    np.testing.assert_array_equal(one.image, other.image)


def test_progress_only_grows_and_a_preview_comes_with_the_floor_and_with_every_step(fill):
    # A real step takes longer than the floor, and the tiny one does not.
    run = fill(SMALL, HOLE, engine="flux", before={"flux_text_encoder": late(3)}, steps=4)
    shares = [progress.progress for progress in run.seen]
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] < 1
    stages = [progress.stage for progress in run.seen]
    assert stages == ["mask_cleanup", "patch_fill", *["flux_transformer"] * 4]
    previews = [progress.preview for progress in run.seen]
    assert previews[0] is None
    floor = fill(SMALL, HOLE, engine="patch").image
    np.testing.assert_array_equal(previews[1], floor)
    clean = run.filled.clean_mask > 0
    for earlier, later in pairwise(previews[1:]):
        np.testing.assert_array_equal(later[~clean], SMALL[~clean])
        assert (earlier[clean] != later[clean]).any()


@pytest.mark.parametrize(("every", "shown"), [(0, []), (2, [2, 4]), (3, [3])])
def test_previews_come_every_so_many_steps(fill, every, shown):
    run = fill(SMALL, HOLE, engine="flux", steps=5, preview_every=every)
    steps = [progress for progress in run.seen if progress.stage == "flux_transformer"]
    assert [n for n, step in enumerate(steps, 1) if step.preview is not None] == shown
    assert len(steps) == 5
    if not every:
        assert all(progress.preview is None for progress in run.seen)


def test_the_report_explains_and_repeats_the_result(fill, tiny_deployment):
    run = fill(SMALL, HOLE, prompt="a brick wall, please", guidance_scale=7.5, seed=11)
    report = run.report
    assert (report.engine, report.engine_reason) == ("flux", "first engine of profile tiny")
    assert (report.steps, report.guidance_scale, report.seed, report.strength) == (3, 7.5, 11, 1.0)
    assert (report.prompt, report.prompt_source, report.prompt_cut) == ("brick", "prompt", 0)
    assert (report.labels, report.labels_source) == (("grass",), "request")
    assert report.weights == dict(tiny_deployment.weights)
    assert report.weights["flux"].startswith("tiny-flux-fill@")
    assert (report.check, report.fallbacks) == (None, ())
    assert [window.seed for window in report.windows] == [11]
    assert {"flux_text_encoder", "flux_vae_encoder", "flux_transformer", "flux_vae_decoder"} <= set(
        report.stage_ms
    )
    assert Report.from_json(report.to_json()) == report
    again = fill(
        SMALL, HOLE, prompt=report.prompt, guidance_scale=report.guidance_scale,
        seed=report.seed, steps=report.steps, engine=report.engine,
    )  # fmt: skip
    np.testing.assert_array_equal(again.image, run.image)


def test_what_the_request_leaves_open_is_the_profiles(fill, tiny, tiny_deployment):
    deployment = with_chain(tiny_deployment, settings=replace(tiny.flux, steps=2))
    run = fill(SMALL, HOLE, deployment=deployment, steps=None)
    assert (run.report.steps, run.report.guidance_scale) == (2, tiny.flux.guidance_scale)
    assert run.models.called.count("flux_transformer") == 2


def test_window_px_bounds_the_working_size(fill):
    photo, mask = lawn(300, 300), holes(300, 300, (80, 80, 220, 220))
    run = fill(photo, mask, engine="flux", window_px=256, steps=1)
    (window,) = run.report.windows
    assert window.working_px == 256


def test_a_prompt_over_the_token_limit_is_cut_and_the_report_says_so(in_tiny_weights, tiny):
    # The prompt builder keeps to three words, so only a limit far below FLUX's own is reached.
    narrow = replace(tiny, flux=replace(tiny.flux, text_tokens=2), sam3=None, florence2=None)
    told = {
        tokens: inpaint_local(
            SMALL, HOLE, engine="flux", steps=1, deadline_ms=600_000,
            profile=replace(narrow, flux=replace(narrow.flux, text_tokens=tokens)),
        ).report
        for tokens in (1, 128)
    }  # fmt: skip
    assert {report.prompt for report in told.values()} == {"background"}
    assert told[128].prompt_cut == 0
    assert told[1].prompt_cut > 0
