"""The flow of `refine` in this process, its models and engines real."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from pawfect.contract.capabilities import Capability
from pawfect.contract.errors import ErrorKind
from pawfect.contract.pictures import joined
from pawfect.contract.refine import REFERENCES, RefineParams
from pawfect.contract.texts import text_tensor
from pawfect.judges.settings import VARIABLES as JUDGE_VARIABLES
from pawfect.local_refine import LocalRefine
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.refine import REFINE, RefineResult
from pawfect.orchestrator.refining import Refining, refine_request
from pawfect.orchestrator.work import Work
from pawfect.profile import load_profile
from pawfect.weights.store import ROOT_VARIABLE
from tests.image_server import KEY, ImageServer, refused
from tests.lawn import holes, lawn
from tests.refusals import refusal

HEIGHT, WIDTH = 160, 200
PHOTO = lawn(HEIGHT, WIDTH)
BOXES = [[30, 30, 20, 20], [120, 80, 24, 16]]
REGIONS = {"masks": [{"bbox": BOXES[0], "prompt": "moss"}, {"bbox": BOXES[1]}]}
RED = {"prompt": "all of it in red"}
# What a fill may reach beyond its region: the mask's growth on a photo of this size and its seam.
REACH = 24


def tensors(kind: str, payload: Any, **more: np.ndarray) -> dict[str, np.ndarray]:
    texts = {"TYPE": text_tensor(kind), "PAYLOAD": text_tensor(json.dumps(payload))}
    return {"IMAGE": PHOTO, **texts, **more}


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    """Patches alone: whatever is fetched here, the same runs everywhere."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))


@pytest.fixture
def images(monkeypatch):
    """A remote engine that the operator has set up."""
    with ImageServer().serving() as server:
        monkeypatch.setenv("PAWFECT_REMOTE_URL", server.url)
        monkeypatch.setenv("PAWFECT_REMOTE_KEY", KEY)
        monkeypatch.setenv("PAWFECT_REMOTE_DAILY", "3")
        yield server


def run(kind: str, payload: Any, parameters=None, **more: Any) -> RefineResult:
    inputs = {name: more.pop(name) for name in list(more) if name.isupper()}
    flow = _flow(os.environ.get("PAWFECT_REMOTE_DAILY"), os.environ.get("PAWFECT_REMOTE_URL"))
    return flow.refine(tensors(kind, payload, **inputs), parameters or {}, **more)


@cache
def _flow(*setting: str | None) -> LocalRefine:
    """Return the flow of this environment, which reads it once."""
    return LocalRefine()


def around(box: list[int], by: int) -> tuple[slice, slice]:
    x, y, wide, high = box
    return slice(max(y - by, 0), y + high + by), slice(max(x - by, 0), x + wide + by)


def test_regions_are_filled_and_nothing_far_from_them_changes():
    seen = []
    result = run("region", REGIONS, notify=seen.append)
    untouched = np.ones((HEIGHT, WIDTH), bool)
    for box in BOXES:
        untouched[around(box, REACH)] = False
        assert (result.image[around(box, 0)] != PHOTO[around(box, 0)]).any()
    np.testing.assert_array_equal(result.image[untouched], PHOTO[untouched])
    report = result.report
    assert report.changed_px == np.count_nonzero((result.image != PHOTO).any(axis=2))
    assert (report.type, report.engine, report.payload) == ("region", "inpaint", REGIONS)
    assert [list(region.bbox) for region in report.regions] == BOXES
    assert [region.inpaint.engine for region in report.regions] == ["patch", "patch"]
    assert "no prompt was read of masks[0]" in report.notes[0]
    assert sum(report.stage_ms.values()) <= report.total_ms


def test_progress_never_falls_and_each_part_is_shown():
    seen = []
    result = run("region", REGIONS, notify=seen.append)
    shares = [progress.progress for progress in seen]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] < 1
    shown = {progress.stage: progress.preview for progress in seen}
    assert {"region 1 of 2", "region 2 of 2", "region 2 of 2: patch_fill"} <= set(shown)
    np.testing.assert_array_equal(shown["region 2 of 2"], result.image)
    first = shown["region 1 of 2"]
    np.testing.assert_array_equal(first[around(BOXES[1], 0)], PHOTO[around(BOXES[1], 0)])
    assert (first[around(BOXES[0], 0)] != PHOTO[around(BOXES[0], 0)]).any()


def test_a_region_beside_another_does_not_grow_into_it():
    beside = [[60, 60, 20, 20], [80, 60, 20, 20]]
    seen = []
    run("region", {"masks": [{"bbox": box} for box in beside]}, notify=seen.append)
    first = next(progress.preview for progress in seen if progress.stage == "region 1 of 2")
    np.testing.assert_array_equal(first[around(beside[1], 0)], PHOTO[around(beside[1], 0)])


def test_what_protect_marks_stays():
    protect = holes(HEIGHT, WIDTH, (40, 30, 60, 60))
    result = run("region", {"masks": [{"bbox": BOXES[0]}]}, PROTECT=protect)
    kept = protect >= 128
    np.testing.assert_array_equal(result.image[kept], PHOTO[kept])
    assert "protected: PROTECT was given" in result.report.notes


def test_the_same_seed_gives_the_same_pixels():
    one, other = (run("region", REGIONS, {"seed": 5}).image for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_a_region_that_is_the_whole_photo_is_named():
    whole = {"masks": [{"bbox": [0, 0, WIDTH, HEIGHT]}]}
    message = refusal(ErrorKind.INVALID_ARG, run, "region", whole)
    assert message.startswith("PAYLOAD: masks[0]: ")


@pytest.mark.parametrize(
    ("kind", "payload", "more", "said"),
    [
        ("region", REGIONS, {"MASKS": holes(HEIGHT, WIDTH)[None]}, "MASKS: expected masks that"),
        ("region", REGIONS, {"REFERENCE": PHOTO}, "REFERENCE: expected it with subject alone"),
        ("general", RED, {"REFERENCE": PHOTO}, "REFERENCE: expected it with subject alone"),
        ("general", RED, {"MASKS": holes(80, WIDTH)[None]}, "the image's size 200x160, got 200x80"),
        ("general", RED, {"MASKS": np.zeros((0, HEIGHT, WIDTH), np.uint8)}, "1 to 16 masks, got 0"),
        ("general", RED, {"MASKS": np.zeros((17, HEIGHT, WIDTH), np.uint8)}, "16 masks, got 17"),
        ("general", RED, {"PROTECT": holes(HEIGHT, 90)}, "PROTECT: expected the image's size"),
        (
            "subject",
            {"instructions": "x"},
            {"REFERENCE": lawn(20, 90)},
            "REFERENCE: expected sides",
        ),
        ("face", {}, {}, "TYPE: expected one of subject, text, region, general, got 'face'"),
        ("general", {"prompt": "x" * 50_000}, {}, "PAYLOAD: prompt: expected texts of at most"),
        ("text", {"corrections": []}, {"MASKS": holes(HEIGHT, WIDTH)[None]}, "MASKS: expected it"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(kind, payload, more, said):
    assert said in refusal(ErrorKind.INVALID_ARG, run, kind, payload, **more)


@pytest.mark.parametrize("kind", ["general", "subject"])
def test_without_an_engine_it_says_what_would_be_needed(kind):
    payload = RED if kind == "general" else {"instructions": "brown ears"}
    assert refusal(ErrorKind.UNAVAILABLE, run, kind, payload, {"remote": True}) == (
        "edit: profile embedded has no edit model, and no remote engine is set up "
        "(PAWFECT_REMOTE_URL and PAWFECT_REMOTE_KEY of the server)"
    )


def test_a_picture_is_sent_away_only_where_the_request_says_so_too(images):
    message = refusal(ErrorKind.UNAVAILABLE, run, "general", RED)
    assert "with remote=true the picture is sent to it" in message
    assert images.asked == []


def test_a_remote_edit_changes_what_the_masks_mark_and_not_a_bit_beside(images):
    masks = np.stack(
        [holes(HEIGHT, WIDTH, (20, 20, 60, 50)), holes(HEIGHT, WIDTH, (90, 90, 99, 99))]
    )
    protect = holes(HEIGHT, WIDTH, (30, 20, 40, 50))
    seen = []
    given = {"MASKS": masks, "PROTECT": protect}
    result = run("general", RED, {"remote": True}, notify=seen.append, **given)
    free = (masks >= 128).any(axis=0) & (protect < 128)
    np.testing.assert_array_equal(result.image[~free], PHOTO[~free])
    assert (result.image[free] != PHOTO[free]).any(axis=1).mean() > 0.9
    report = result.report
    assert (report.engine, report.remote.left_today) == ("remote", 2)
    assert report.changed_px <= np.count_nonzero(free)
    assert report.stage_ms["edit"] > 0
    assert [progress.stage for progress in seen] == ["validate", "edit", "general"]
    assert KEY not in report.to_json()


def several(count: int, height: int = 64, width: int = 80) -> dict[str, np.ndarray]:
    """Further references, as the tensors have them."""
    return joined([lawn(height, width, seed) for seed in range(count)], REFERENCES)


def test_a_subject_goes_with_up_to_eight_references_of_any_sizes(images):
    given = {"REFERENCE": lawn(90, 120), **several(7)}
    result = run("subject", {"instructions": "brown ears"}, {"remote": True}, **given)
    assert result.report.engine == "remote"
    (asked,) = images.asked
    # The picture itself, and those to go by.
    assert len(asked.pictures["image"]) == 1 + 8


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        (
            "subject",
            {"REFERENCE": lawn(90, 120), **several(8)},
            "at most 8 pictures to go by, got 9",
        ),
        ("subject", several(9), "at most 8 pictures to go by, got 9"),
        ("subject", several(1, 63), "REFERENCE: expected sides of 64 to 16384 px"),
        ("subject", {"REFERENCES": np.zeros(12, np.uint8)}, "expected both or neither"),
        (
            "subject",
            several(2) | {"REFERENCE_SIZES": np.array([[64, 80]], np.int32)},
            "REFERENCES: expected the bytes of 1 pictures of REFERENCE_SIZES, got 30720",
        ),
        (
            "subject",
            several(1) | {"REFERENCE_SIZES": np.array([[0, 80]], np.int32)},
            "REFERENCE_SIZES: expected positive rows and columns",
        ),
        ("general", several(1), "REFERENCES: expected it with subject alone, got it with general"),
    ],
)
def test_references_that_cannot_be_are_named(kind, given, says):
    words = {"subject": {"instructions": "x"}, "general": {"prompt": "x"}}[kind]
    assert says in refusal(ErrorKind.INVALID_ARG, run, kind, words, **given)


def test_a_subject_goes_with_its_reference(images):
    given = {"REFERENCE": lawn(80, 90, seed=9)}
    payload = {"instructions": "brown ears", "referenceFileId": "f-1"}
    result = run("subject", payload, {"remote": True, "creativity": 3}, **given)
    (asked,) = images.asked
    assert len(asked.pictures["image"]) == 2
    assert asked.texts["prompt"].startswith("brown ears ")
    assert result.report.payload == payload


def test_what_the_engine_refuses_is_the_requests_fault(images):
    images.draw = lambda asked: refused(400, "no dogs in hats", "moderation_blocked")
    message = refusal(ErrorKind.INVALID_ARG, run, "general", RED, {"remote": True})
    assert message.endswith("got status 400: no dogs in hats")


def test_a_slow_engine_is_left_at_the_requests_own_deadline(images):
    images.hold = True
    asked = {"remote": True, "deadline_ms": 1500}
    message = refusal(ErrorKind.DEADLINE, run, "general", RED, asked)
    assert message.startswith("deadline_ms: expected an answer within 1500 ms")
    assert images.left.wait(30)


def test_who_cancels_leaves_the_engine_at_once(images):
    images.hold = True
    asked = {"remote": True}
    refusal(ErrorKind.CANCELLED, run, "general", RED, asked, stop=images.arrived.is_set)
    assert images.left.wait(30)


def test_masks_that_mark_nothing_and_a_guard_over_all_of_it_are_refused(images):
    remote = {"remote": True}
    nothing = {"MASKS": holes(HEIGHT, WIDTH)[None]}
    assert "MASKS: expected some pixels >= 128 (to change), got none" in refusal(
        ErrorKind.INVALID_ARG, run, "general", RED, remote, **nothing
    )
    mask = holes(HEIGHT, WIDTH, (5, 5, 30, 30))
    assert "PROTECT: expected some of what may change left free" in refusal(
        ErrorKind.INVALID_ARG, run, "general", RED, remote, MASKS=mask[None], PROTECT=mask
    )
    assert images.asked == []


def test_capabilities_of_a_bare_server():
    told = LocalRefine().capabilities()
    assert told.profile == "embedded"
    can = told.can
    judges = {"score_gemini", "score_moondream"}
    kinds = {"cutout", "find_masks", "search", "swap", "text", "region", "subject", "general"}
    assert set(can) == kinds | judges
    assert can["search"].available
    assert can["region"].available
    assert can["region"].ignores_prompt
    assert can["region"].engines == load_profile("embedded").engines
    assert (can["cutout"].available, can["cutout"].why) == (
        False,
        "no network is here: run `pawfect weights fetch u2netp`",
    )
    assert can["find_masks"].why == "profile embedded has no network for it (find_masks)"
    assert not can["subject"].available
    assert "PAWFECT_REMOTE_URL" in can["general"].why


def test_capabilities_with_a_remote_engine(images):
    can = LocalRefine().capabilities().can
    for kind in ("subject", "general"):
        assert (can[kind].available, can[kind].remote, can[kind].why) == (True, True, None)
    assert images.asked == []


def test_capabilities_say_which_judges_can_be_asked(monkeypatch):
    for name in JUDGE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    told = LocalRefine().capabilities().can["score_gemini"]
    assert (told.available, told.why) == (
        False,
        "the judge gemini is not set up (PAWFECT_GEMINI_KEY of the server)",
    )
    monkeypatch.setenv("PAWFECT_MOONDREAM_URL", "http://127.0.0.1:2020/v1")
    monkeypatch.setenv("PAWFECT_GEMINI_KEY", KEY)
    monkeypatch.setenv("PAWFECT_GEMINI_DAILY_USD", "much")
    can = LocalRefine().capabilities().can
    assert can["score_moondream"] == Capability(True, remote=True)
    assert not can["score_gemini"].available
    assert "PAWFECT_GEMINI_DAILY_USD: expected USD" in can["score_gemini"].why
    assert KEY not in str(can)


def test_capabilities_say_what_is_wrong_with_the_operators_settings(images, monkeypatch):
    monkeypatch.setenv("PAWFECT_REMOTE_DAILY", "many")
    why = LocalRefine().capabilities().can["general"].why
    assert "the remote engine is off: PAWFECT_REMOTE_DAILY: expected an integer from 1" in why
    assert why in refusal(ErrorKind.UNAVAILABLE, run, "general", RED, {"remote": True})


def test_capabilities_with_weights(tmp_path, tiny):
    (tmp_path / tiny.weights["sam3"]).mkdir()
    can = LocalRefine(tiny).capabilities().can
    assert can["find_masks"].available
    assert not can["region"].ignores_prompt


def test_capabilities_say_whether_faces_are_swapped_and_what_refines_them(tmp_path, tiny_chain):
    bare = LocalRefine().capabilities().can["swap"]
    assert (bare.available, bare.engines) == (False, ())
    assert bare.why == "; ".join(
        f"weights {name} are not here: run `pawfect weights fetch {name}`"
        for name in ("buffalo_l", "inswapper_128")
    )
    klein = tiny_chain("klein").profile
    (tmp_path / "tiny-faces").mkdir()
    told = LocalRefine(klein).capabilities().can["swap"]
    assert "weights tiny-inswapper are not here" in str(told.why)
    (tmp_path / "tiny-inswapper").mkdir()
    told = LocalRefine(klein).capabilities().can["swap"]
    assert told == Capability(True), "nothing refines: klein's own weights are not here"
    lacking = replace(klein, models=tuple(set(klein.models) - {"face_swap"}))
    why = LocalRefine(lacking).capabilities().can["swap"].why
    assert why == "profile tiny-klein has no model face_swap"


def test_creativity_moves_the_schedule_of_a_diffused_fill(tiny):
    def asked(level: int) -> tuple[float, int, float]:
        params = RefineParams(creativity=level)
        request = refine_request(tensors("region", REGIONS), params)
        fill = Work(request, Refining(Deployment(tiny)), None, None, None).fill_params()
        return fill.strength, fill.steps, fill.guidance_scale

    own = tiny.flux
    assert asked(2) == (1.0, own.steps, own.guidance_scale)
    assert asked(1) == (0.75, own.steps, own.guidance_scale)
    assert asked(3) == (1.0, 10, pytest.approx(0.6 * own.guidance_scale))


@pytest.mark.slow
def test_flux_reads_a_regions_prompt(in_tiny_weights, tiny):
    payload = {"masks": [{"bbox": BOXES[0], "prompt": "moss"}, {"bbox": BOXES[1]}]}
    given = {"engine": "flux", "protect": "none", "creativity": 1}
    report = LocalRefine(tiny).refine(tensors("region", payload), given).report
    assert [region.prompt_used for region in report.regions] == [True, False]
    assert report.regions[0].inpaint.prompt == "moss"
    assert report.regions[0].inpaint.strength == 0.75
    assert not any("prompt" in note for note in report.notes)


def test_a_request_holds_as_many_pixels_as_all_its_pictures():
    alone = REFINE.pixels(tensors("general", RED), {})
    masks, reference = np.zeros((2, HEIGHT, WIDTH), np.uint8), np.zeros((120, 100, 3), np.uint8)
    assert alone == HEIGHT * WIDTH
    more = tensors("subject", {"instructions": "red"}, MASKS=masks, REFERENCE=reference)
    assert REFINE.pixels(more, {}) == alone + (2 * HEIGHT * WIDTH + 120 * 100 * 3) // 12
