"""The orchestration in plain Python: what it promises whatever calls the models."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import InpaintParams
from pawfect.contract.report import Fallback, Report
from pawfect.contract.texts import text_tensor
from pawfect.local import LocalModels, inpaint_local
from pawfect.orchestrator import Control, Deployment, InpaintRequest, Progress, flow, inpaint
from pawfect.orchestrator.engine import Fill, Prompting, Task
from pawfect.orchestrator.patch import affordable_px, estimate_ms
from pawfect.patch.ahead import compile_ahead
from pawfect.patch.engine import fill
from pawfect.picture.window import plan_windows
from tests.lawn import holes, lawn
from tests.refusals import refusal


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return lawn(240, 320)


def hole(photo: np.ndarray, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    return holes(*photo.shape[:2], *boxes)


def run(photo, mask, profile, call=None, notify=None, control=None, protect=None, **parameters):
    params = InpaintParams.parse(parameters)
    request = InpaintRequest(photo, mask, params, protect)
    control = control or Control(params.deadline_ms)
    extra = {} if notify is None else {"notify": notify}
    return asyncio.run(
        inpaint(request, Deployment(profile), call or LocalModels(), control, **extra)
    )


def test_every_pixel_outside_the_cleaned_mask_is_the_inputs(photo):
    result = inpaint_local(photo, hole(photo, (100, 80, 124, 100), (270, 10, 290, 25)))
    outside = result.clean_mask == 0
    np.testing.assert_array_equal(result.image[outside], photo[outside])
    assert (result.image[~outside] != photo[~outside]).any()


def test_what_is_under_the_mask_does_not_matter(photo):
    mask = hole(photo, (100, 80, 124, 100))
    painted = photo.copy()
    painted[mask > 0] = (255, 0, 255)
    np.testing.assert_array_equal(
        inpaint_local(photo, mask, dilate_px=0).image,
        inpaint_local(painted, mask, dilate_px=0).image,
    )


def test_protected_pixels_stay_whatever_the_mask_says(photo):
    mask = hole(photo, (100, 80, 124, 100))
    protect = hole(photo, (112, 60, 160, 110))
    result = inpaint_local(photo, mask, protect=protect)
    np.testing.assert_array_equal(result.image[protect > 0], photo[protect > 0])


def test_the_content_of_one_hole_is_never_copied_into_another(photo):
    mask = hole(photo, (20, 20, 40, 40), (280, 200, 300, 220))
    painted = photo.copy()
    painted[mask > 0] = (255, 0, 255)
    result = inpaint_local(painted, mask, dilate_px=0).image.astype(int)
    magenta = (result[..., 0] > 200) & (result[..., 1] < 60) & (result[..., 2] > 200)
    assert not magenta.any()


def test_the_report_explains_and_repeats_the_result(photo, embedded):
    mask = hole(photo, (20, 20, 40, 40), (280, 200, 300, 220))
    mask[120, 160] = 255  # a speck
    result = run(photo, mask, embedded, seed=7, engine="patch")
    report = result.report
    assert (report.engine, report.engine_reason, report.profile) == (
        "patch", "asked for", "embedded",
    )  # fmt: skip
    assert (report.width, report.height, report.seed, report.specks) == (320, 240, 7, 1)
    assert report.hole_px == np.count_nonzero(result.clean_mask)
    assert (report.dilate_px, report.least_dilate_px, report.least_speck_px) == (6, 6, 9)
    assert report.labels_source == "none"
    assert list(report.stage_ms) == [
        "validate",
        "mask_cleanup",
        "windows",
        "patch_fill",
        "composite",
    ]
    assert sum(report.stage_ms.values()) <= report.total_ms + 1
    assert Report.from_json(report.to_json()) == report
    again = inpaint_local(photo, mask, seed=report.seed)
    np.testing.assert_array_equal(again.image, result.image)


def test_the_seed_decides(photo):
    mask = hole(photo, (100, 80, 130, 105))
    one, same = (inpaint_local(photo, mask, seed=1).image for _ in range(2))
    np.testing.assert_array_equal(one, same)


def test_progress_only_grows_and_previews_come_small(photo, embedded):
    seen: list[Progress] = []

    async def notify(progress: Progress) -> None:
        seen.append(progress)

    mask = hole(photo, (20, 20, 40, 40), (280, 200, 300, 220))
    run(photo, mask, embedded, notify=notify, preview_every=0)
    assert [progress.preview for progress in seen] == [None] * 3
    seen.clear()
    result = run(photo, mask, embedded, notify=notify)
    shares = [progress.progress for progress in seen]
    assert shares == sorted(shares)
    assert [progress.stage for progress in seen] == ["mask_cleanup", *["patch_fill"] * 2]
    assert len(result.report.windows) == 2
    previews = [progress.preview for progress in seen if progress.preview is not None]
    assert len(previews) == 2
    # The photo is smaller than a preview may be, so the last one is the result.
    np.testing.assert_array_equal(previews[-1], result.image)


class SlowModels(LocalModels):
    """Real models, each answer a little late, as on a busy machine."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.called: list[str] = []

    async def __call__(self, model, inputs, parameters):
        self.called.append(model)
        await asyncio.sleep(self.delay_s)
        return await super().__call__(model, inputs, parameters)


def test_a_deadline_ends_the_request_when_it_passes_not_when_the_model_ends(photo, embedded):
    start = time.monotonic()
    given = (photo, hole(photo, (9, 9, 40, 40)), embedded, SlowModels(5.0))
    assert "within 200 ms" in refusal(ErrorKind.DEADLINE, run, *given, deadline_ms=200)
    assert time.monotonic() - start < 2.0


def test_a_fill_that_nobody_waits_for_ends_its_thread_at_once(embedded):
    compile_ahead()
    large, mask = lawn(1000, 1000), holes(1000, 1000, (150, 150, 850, 850))
    until = time.monotonic() + 0.7
    control = Control(600_000, is_cancelled=lambda: time.monotonic() > until)
    refusal(ErrorKind.CANCELLED, run, large, mask, embedded, control=control)
    # The event loop's end waits for its threads; the fill itself would go on for seconds.
    assert time.monotonic() < until + 0.5


def test_cancelling_stops_before_the_next_model(photo, embedded):
    models = SlowModels(0.3)
    control = Control(30_000, is_cancelled=lambda: bool(models.called))
    given = (photo, hole(photo, (9, 9, 40, 40)), embedded, models)
    refusal(ErrorKind.CANCELLED, run, *given, control=control)
    assert models.called == ["mask_cleanup"]


@pytest.mark.parametrize("dead", ["mask_cleanup", "patch_fill"])
def test_a_models_error_arrives_as_it_was_meant(photo, embedded, dead):
    class Breaking(LocalModels):
        async def __call__(self, model, inputs, parameters):
            if model == dead:
                raise PawfectError(ErrorKind.MODEL_DOWN, f"{model} died")
            return await super().__call__(model, inputs, parameters)

    mask = hole(photo, (20, 20, 40, 40), (280, 200, 300, 220))
    message = refusal(ErrorKind.MODEL_DOWN, run, photo, mask, embedded, Breaking())
    assert message == f"{dead} died"


@pytest.mark.parametrize(
    "boxes",
    [
        [(0, 0, 30, 30)],
        [(130, 90, 160, 120)],
        [(0, 50, 160, 70)],
        [(8, 6, 152, 114)],
    ],
    ids=["corner", "other corner", "side to side", "80 %"],
)
def test_holes_at_the_border_and_large_ones_are_filled(boxes):
    photo = lawn(120, 160)
    mask = hole(photo, *boxes)
    painted = photo.copy()
    painted[mask > 0] = (255, 0, 255)
    result = inpaint_local(painted, mask)
    filled = result.image[result.clean_mask > 0].astype(int)
    # The lawn's colour, which itself differs by some 20 from place to place; not the magenta that
    # was under the mask, nor black.
    assert np.abs(filled.mean(axis=0) - photo.reshape(-1, 3).mean(axis=0)).max() < 40
    assert filled[:, 1].min() > 10


class InstantFill(LocalModels):
    """Leaves the hole as it is: what is planned for a deadline must not depend on this machine."""

    async def __call__(self, model, inputs, parameters):
        if model != "patch_fill":
            return await super().__call__(model, inputs, parameters)
        return {"IMAGE": inputs["IMAGE"], "REPORT": text_tensor('{"method": "none"}')}


def test_a_short_deadline_is_met_at_a_smaller_working_size(photo, embedded):
    large = cv2.resize(photo, (1600, 1200), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    mask = hole(large, (300, 200, 1300, 1000))
    patient = run(large, mask, embedded, call=InstantFill(), deadline_ms=600_000)
    hurried = run(large, mask, embedded, call=InstantFill(), deadline_ms=4_000)
    assert patient.report.fallbacks == ()
    (fallback,) = hurried.report.fallbacks
    assert fallback.stage == "patch_fill"
    assert "4000 ms" in fallback.reason
    assert hurried.report.windows[0].working_px < patient.report.windows[0].working_px
    assert f"{hurried.report.windows[0].working_px} px" in fallback.instead


@pytest.mark.parametrize("deadline_ms", [500, 2_000, 8_000, 30_000, 120_000])
def test_a_longer_deadline_never_affords_less(deadline_ms):
    windows = plan_windows(np.array([[200, 150, 3800, 2850]], np.int32), 3000, 4000)
    area = 3600 * 2700
    sizes = [
        affordable_px(windows, [area], deadline) or 4000
        for deadline in (deadline_ms, 2 * deadline_ms)
    ]
    assert 192 <= sizes[0] <= sizes[1] <= 4000


@pytest.mark.parametrize(
    ("boxes", "count"),
    [([[x, 400, x + 200, 600] for x in range(100, 4000, 500)], 8), ([[100, 100, 900, 800]], 1)],
)
def test_some_holes_are_filled_at_their_own_size_within_the_default_deadline(boxes, count):
    windows = plan_windows(np.array(boxes, np.int32), 3000, 4000)
    assert len(windows) == count
    areas = [window.holes.area for window in windows]
    assert affordable_px(windows, areas, 30_000) is None


def test_a_thin_line_over_a_large_photo_is_filled_at_its_own_size_within_the_default_deadline():
    windows = plan_windows(np.array([[0, 700, 3900, 2000]], np.int32), 2700, 3900)
    assert affordable_px(windows, [12 * 5000], 30_000) is None


@pytest.mark.parametrize("side", [30, 80, 160])
def test_a_fills_estimate_is_no_less_than_it_takes_and_within_a_small_factor(side):
    size = 3 * side + 40
    picture = lawn(size, size)
    edge = (size - side) // 2
    box = (edge, edge, edge + side, edge + side)
    mask = holes(size, size, box)
    compile_ahead()
    taken = min(_cpu_ms(lambda: fill(picture, mask)) for _ in range(2))
    windows = plan_windows(np.array([box], np.int32), size, size)
    # Machines differ by a factor of two, and so does what a texture takes.
    assert taken / 2 < estimate_ms(windows, [side * side]) < 8 * taken


def _cpu_ms(work: Callable[[], object]) -> float:
    before = time.thread_time()
    work()
    return (time.thread_time() - before) * 1000


def test_another_engine_is_a_function_and_a_line_in_the_table(photo, embedded, monkeypatch):
    async def fill_by_grey(task: Task) -> Fill:
        grey = np.where(task.cleaned.mask[..., None] > 0, np.uint8(128), task.request.image)
        fallbacks = (Fallback("grey", "no colours", "grey", ErrorKind.UNAVAILABLE),)
        return Fill(grey, "grey", (), Prompting.of_request(task.request), fallbacks)

    monkeypatch.setattr(flow, "ENGINES", {**flow.ENGINES, "grey": fill_by_grey})
    mask = hole(photo, (20, 20, 40, 40))
    result = run(photo, mask, replace(embedded, engines=("grey", "patch")), dilate_px=0)
    assert (result.image[mask > 0] == 128).all()
    assert (result.report.engine, result.report.fallbacks[0].kind) == (
        "grey", ErrorKind.UNAVAILABLE,
    )  # fmt: skip
    assert Report.from_json(result.report.to_json()) == result.report
