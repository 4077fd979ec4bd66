"""The flow of background removal: what is tried in turn, and what its report says."""

from __future__ import annotations

import asyncio
from types import MappingProxyType

import numpy as np
import pytest

from pawfect.contract.cutout import CutoutParams, CutoutReport
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.matting import edges
from pawfect.matting.presets import read_defaults
from pawfect.orchestrator import cutout, looking
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.cutout import remove_background
from pawfect.orchestrator.removal import CutoutRequest, Removal, read_removal
from pawfect.out_of_memory import out_of_memory
from pawfect.weights.store import ROOT_VARIABLE
from tests.lawn import lawn
from tests.pawfect.orchestrator.looked import KNOWN, Answering
from tests.refusals import refusal

PHOTO = lawn(192, 256)
LEFT = np.zeros((192, 256), np.float32)
LEFT[:, :100] = 1


@pytest.fixture(autouse=True)
def known_networks(monkeypatch):
    monkeypatch.setattr("pawfect.matting.networks.networks", lambda: KNOWN)


def removal(embedded, *names: str) -> Removal:
    here = MappingProxyType({name: f"{name}@1" for name in names or ("known", "second")})
    return Removal(embedded, here, read_defaults(embedded.cutout, {}))


def left_half(picture, network, device):
    """The left part is the subject, at whatever size it is looked at."""
    height, width = picture.shape[:2]
    return np.repeat((np.arange(width) < width * 100 / 256)[None], height, 0)


def removed(embedded, answer=left_half, background=None, names=(), control=None, **params):
    models = Answering(embedded, answer)
    request = CutoutRequest(PHOTO, CutoutParams.parse(params), background)
    given = request, removal(embedded, *names), models, control or Control(60_000)
    return asyncio.run(remove_background(*given)), models.asked


def refusing(error, *refused):
    """The left part is the subject, but for those NETWORK and DEVICE that are refused."""

    def answer(picture, network, device):
        if (network, device) in refused:
            raise error
        return left_half(picture, network, device)

    return answer


def test_the_subject_is_cut_out_and_the_report_says_how(embedded):
    result, asked = removed(embedded, edges="none")
    assert asked == [("known:1024:static", None)]
    assert np.abs(result.alpha.astype(float) / 255 - LEFT).mean() < 0.01
    np.testing.assert_array_equal(result.cutout[..., 3], result.alpha)
    report = CutoutReport.from_json(result.report.to_json())
    assert report == result.report
    assert (report.network, report.preset, report.size) == ("known", "standard", 1024)
    assert (report.seen, report.resize, report.edges) == ((1024, 1024), "static", "none")
    assert (report.subject_found, report.confidence) == (True, 1.0)
    assert report.subject_share == pytest.approx(100 / 256, abs=0.01)
    assert (report.load_ms, report.network_mib, report.device) == (1.5, 2.5, "cpu")
    assert report.weights == {"known": "known@1"}
    assert report.fallbacks == ()
    assert sum(report.stage_ms.values()) <= report.total_ms
    assert list(report.stage_ms)[:3] == ["validate", "shrink", "onnx_networks"]


def test_without_a_subject_alpha_is_empty_and_nothing_fails(embedded):
    result, _ = removed(embedded, lambda picture, *_: np.full(picture.shape[:2], 0.2))
    assert not result.alpha.any()
    assert not result.cutout[..., 3].any()
    report = result.report
    assert (report.subject_found, report.confidence, report.subject_share) == (False, 0, 0)
    assert not result.cutout.any()
    assert report.sharpness is None
    assert report.edges == "none"
    assert "edges" not in report.stage_ms


def test_a_subject_over_the_whole_photo_is_all_of_it(embedded):
    result, _ = removed(embedded, lambda picture, *_: np.ones(picture.shape[:2]))
    assert (result.alpha == 255).all()
    np.testing.assert_array_equal(result.cutout[..., :3], PHOTO)


def test_where_memory_is_short_smaller_views_are_tried_and_then_the_cpu(embedded):
    short = refusing(
        out_of_memory("onnx_networks"),
        ("known:2048:dynamic", None),
        ("known:1024:static", None),
        ("known:384:static", None),
    )
    result, asked = removed(embedded, short, preset="maximum", edges="none")
    assert [network for network, _ in asked] == [
        "known:2048:dynamic",
        "known:1024:static",
        "known:384:static",
        "known:384:static",
    ]
    assert asked[-1][1] == "cpu"
    report = result.report
    assert (report.size, report.device) == (384, "cpu")
    told = [(fallback.kind, fallback.instead) for fallback in report.fallbacks]
    assert told == [
        (ErrorKind.OUT_OF_MEMORY, "1024 px static"),
        (ErrorKind.OUT_OF_MEMORY, "384 px static"),
        (ErrorKind.OUT_OF_MEMORY, "cpu"),
    ]


def test_where_nothing_fits_the_answer_is_out_of_memory(embedded):
    def short(picture, network, device):
        raise out_of_memory("onnx_networks")

    refusal(ErrorKind.OUT_OF_MEMORY, removed, embedded, short, preset="fast")


def test_a_network_that_fails_is_followed_by_the_next(embedded):
    broken = PawfectError(ErrorKind.UNAVAILABLE, "weights known: damaged")
    result, asked = removed(embedded, refusing(broken, ("known:1024:static", None)))
    assert [network for network, _ in asked] == ["known:1024:static", "second:64:static"]
    (fallback,) = result.report.fallbacks
    assert (fallback.stage, fallback.instead) == ("onnx_networks", "second")
    assert result.report.weights == {"second": "second@1"}


@pytest.mark.parametrize("kind", [ErrorKind.UNAVAILABLE, ErrorKind.INTERNAL])
def test_a_view_that_keeps_the_shape_and_fails_is_followed_by_the_stable_one(embedded, kind):
    broken = PawfectError(kind, "onnx_networks: broken")
    failing = refusing(broken, ("known:2048:dynamic", None))
    result, asked = removed(embedded, failing, preset="maximum", network="known", edges="none")
    assert [network for network, _ in asked] == ["known:2048:dynamic", "known:1024:static"]
    (fallback,) = result.report.fallbacks
    assert (fallback.kind, fallback.instead) == (kind, "1024 px static")


def test_a_device_that_is_not_the_profiles_is_told(embedded):
    models = Answering(embedded, left_half)
    models.wanted = "cuda"
    request = CutoutRequest(PHOTO, CutoutParams(edges="none"))
    run = remove_background(request, removal(embedded), models, Control(60_000))
    report = asyncio.run(run).report
    assert report.device == "cpu"
    (fallback,) = report.fallbacks
    assert (fallback.reason, fallback.instead) == ("this onnxruntime cannot use cuda", "cpu")


def test_a_network_asked_for_by_name_is_not_followed_by_another(embedded):
    broken = PawfectError(ErrorKind.UNAVAILABLE, "weights known: damaged")
    failing = refusing(broken, ("known:1024:static", None))
    said = refusal(ErrorKind.UNAVAILABLE, removed, embedded, failing, network="known")
    assert said == "weights known: damaged"


def test_what_is_wrong_with_the_request_is_no_reason_to_try_another(embedded):
    wrong = PawfectError(ErrorKind.INVALID_ARG, "IMAGE: expected other things")
    failing = refusing(wrong, ("known:1024:static", None))
    refusal(ErrorKind.INVALID_ARG, removed, embedded, failing)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), ErrorKind.OUT_OF_MEMORY),
        (ZeroDivisionError(), ErrorKind.INTERNAL),
        (ValueError("NaN"), ErrorKind.INTERNAL),
    ],
)
@pytest.mark.parametrize(("mode", "instead"), [("matting", "guided"), ("guided", "none")])
def test_edges_that_fail_become_simpler(embedded, monkeypatch, mode, instead, error, kind):
    whole = edges.refine

    def short(photo, alpha, asked, *rest):
        if asked == mode:
            raise error
        return whole(photo, alpha, asked, *rest)

    monkeypatch.setattr(cutout, "refine", short)
    result, _ = removed(embedded, edges=mode)
    assert result.report.edges == instead
    (fallback,) = result.report.fallbacks
    assert (fallback.stage, fallback.instead) == ("edges", instead)
    assert fallback.kind is kind


def test_a_threshold_leaves_nothing_half_transparent(embedded):
    result, _ = removed(
        embedded, lambda p, *_: np.repeat(np.linspace(0, 1, p.shape[1])[None], p.shape[0], 0),
        threshold=0.5, edges="none",
    )  # fmt: skip
    assert set(np.unique(result.alpha)) == {0, 255}
    np.testing.assert_array_equal(result.alpha[0, :120], 0)
    np.testing.assert_array_equal(result.alpha[0, 136:], 255)


def test_a_background_is_laid_under_the_subject(embedded):
    blue = np.full((70, 90, 3), (0, 0, 255), np.uint8)
    result, _ = removed(embedded, background=blue, edges="none")
    assert result.report.output == "background"
    assert (result.cutout[..., 3] == 255).all()
    np.testing.assert_array_equal(result.cutout[:, 120:, :3], 0 * PHOTO[:, 120:] + (0, 0, 255))
    np.testing.assert_array_equal(result.cutout[:, :80, :3], PHOTO[:, :80])


@pytest.mark.parametrize(
    ("image", "background", "says"),
    [
        (PHOTO[..., 0], None, "IMAGE: expected uint8"),
        (PHOTO.astype(np.float32), None, "IMAGE: expected uint8"),
        (PHOTO[:32], None, "IMAGE: expected sides of 64"),
        (PHOTO, PHOTO[:8], "BACKGROUND: expected sides of 64"),
        (PHOTO, PHOTO[..., :2], "BACKGROUND: expected uint8"),
    ],
)
def test_pictures_out_of_bounds_are_refused_by_name(embedded, image, background, says):
    request = CutoutRequest(image, CutoutParams(), background)
    run = remove_background(
        request, removal(embedded), Answering(embedded, left_half), Control(1000)
    )
    assert refusal(ErrorKind.INVALID_ARG, asyncio.run, run).startswith(says)


def test_a_request_that_is_late_ends_with_its_deadline(embedded):
    clock = iter(range(10**6))
    late = Control(3000, clock=lambda: float(next(clock)))
    refusal(ErrorKind.DEADLINE, removed, embedded, control=late)


def test_a_cancelled_request_ends(embedded):
    refusal(ErrorKind.CANCELLED, removed, embedded, control=Control(60_000, lambda: True))


def test_without_weights_the_answer_says_how_to_fetch_the_smallest(embedded, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    nothing = read_removal(embedded)
    request = CutoutRequest(PHOTO, CutoutParams())
    run = remove_background(request, nothing, Answering(embedded, left_half), Control(1000))
    said = refusal(ErrorKind.UNAVAILABLE, asyncio.run, run)
    assert said == (
        "weights u2netp: expected them here, got nothing; run `pawfect weights fetch u2netp`"
    )


def test_a_default_that_no_request_may_have_is_said_in_every_answer(embedded, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("PAWFECT_CUTOUT_PRESET", "best")
    broken = read_removal(embedded)
    assert broken.error is not None
    assert "PAWFECT_CUTOUT_PRESET" in broken.error.message


def test_the_measures_of_an_answer_are_the_networks_and_the_edges(embedded):
    result, _ = removed(embedded)
    measures = {one.name: one for one in cutout.BACKGROUND_REMOVAL.measures(result)}
    assert measures["network_load_ms"].value == 1.5
    assert measures["network_mib"].labels == {"network": "known", "size": "1024", "device": "cpu"}
    assert measures["cutout_sharpness"].value == result.report.sharpness


def test_the_model_that_looks_is_the_one_that_is_served(embedded):
    assert looking.MODEL in embedded.models
