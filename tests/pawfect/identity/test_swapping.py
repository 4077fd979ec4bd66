"""`face_swap` as its callers see it: consent, log, tensors, REPORT, deadline, what is refused."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.faces import CONSENT, FaceSwapParams, FaceSwapReport
from pawfect.identity.swapping import face_swap, probe
from pawfect.models import MODELS
from pawfect.profile import load_profile
from pawfect.serving import load_function, probe_inputs
from pawfect.settings import SwapSettings
from pawfect.weights.store import Store
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from tests.conftest import no_hub
from tests.pawfect.identity.marked import MARKED
from tests.refusals import refusal

ONE = MARKED[-1]
EMBEDDING = np.random.default_rng(3).normal(size=512).astype(np.float32)
INPUTS = {"IMAGE": ONE.photo, "POINTS": ONE.face.points, "EMBEDDING": EMBEDDING}
CONSENTED = FaceSwapParams(consent=True, pixel_boost=128)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    found = Store(tmp_path_factory.mktemp("weights"))
    fetch(["tiny-inswapper"], found, no_hub, silent)
    return found


@pytest.fixture(scope="module")
def swap(store):
    return face_swap(SwapSettings("cpu", 1), store.folder("tiny-inswapper", mend=""))


def test_a_swap_paints_the_face_and_says_how(swap):
    out = swap(INPUTS, replace(CONSENTED, caller="vet-7"))
    image, mask = out["IMAGE"], out["MASK"]
    assert (image.dtype, image.shape) == (np.uint8, ONE.photo.shape)
    assert (mask.dtype, mask.shape) == (np.uint8, ONE.photo.shape[:2])
    np.testing.assert_array_equal(image[mask == 0], ONE.photo[mask == 0])
    assert (mask[ONE.by_hand] == 255).mean() > 0.97
    assert np.abs(image[ONE.by_hand].astype(int) - ONE.photo[ONE.by_hand]).mean() > 1
    report = FaceSwapReport.from_json(out["REPORT"][0])
    assert (report.pixel_boost, report.caller, report.device) == (128, "vet-7", "cpu")
    assert list(report.stage_ms) == ["align", "swap", "paste"]
    assert sum(report.stage_ms.values()) <= report.total_ms
    assert report.weights["swap"].startswith("tiny-inswapper@")
    assert report.licence == "none: random numbers from a fixed seed"
    assert FaceSwapReport.from_json(report.to_json()) == report


def test_the_same_request_gives_the_same_pixels_and_another_embedding_others(swap):
    first, again = swap(INPUTS, CONSENTED), swap(INPUTS, CONSENTED)
    np.testing.assert_array_equal(first["IMAGE"], again["IMAGE"])
    other = swap(INPUTS | {"EMBEDDING": -EMBEDDING}, CONSENTED)
    assert np.abs(first["IMAGE"].astype(int) - other["IMAGE"])[ONE.by_hand].mean() > 2


def test_without_consent_nothing_is_swapped_or_logged(swap, caplog):
    with caplog.at_level(logging.INFO):
        message = refusal(ErrorKind.INVALID_ARG, swap, INPUTS, FaceSwapParams())
    assert message == f"consent: expected {CONSENT}, got false"
    assert not caplog.records


@pytest.mark.parametrize("given", ["true", 1, "yes"])
def test_consent_is_true_itself_and_no_word_for_it(given):
    message = refusal(ErrorKind.INVALID_ARG, FaceSwapParams.parse, {"consent": given})
    assert message.startswith("consent: expected")


@pytest.mark.parametrize(("caller", "said"), [("vet-7", "vet-7"), (None, "unknown")])
def test_every_swap_is_logged_with_who_asked_and_nothing_of_the_picture(swap, caplog, caller, said):
    with caplog.at_level(logging.INFO, "pawfect"):
        swap(INPUTS, replace(CONSENTED, caller=caller))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("pawfect.identity", logging.INFO)
    assert record.getMessage() == (
        f"face_swap: a face is swapped, with consent=true, for caller {said}"
    )


def test_late_is_said_with_both_times_and_cancelled_without(swap):
    late = refusal(ErrorKind.DEADLINE, swap, INPUTS, replace(CONSENTED, deadline_ms=1))
    assert late.startswith("deadline_ms: expected an answer within 1 ms, got none after ")
    refusal(ErrorKind.CANCELLED, swap, INPUTS, CONSENTED, lambda: True)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"IMAGE": np.zeros((63, 64, 3), np.uint8)}, "IMAGE: expected sides of 64 to 16384 px"),
        ({"POINTS": ONE.face.points + np.float32(900)}, "POINTS: expected at least 3 of 5 within"),
        ({"POINTS": np.full((5, 2), np.nan, np.float32)}, "POINTS: expected finite numbers"),
        ({"EMBEDDING": np.zeros(512, np.float32)}, "EMBEDDING: expected finite numbers"),
    ],
)
def test_bad_tensors_are_refused_by_name(swap, changed, says):
    message = refusal(ErrorKind.INVALID_ARG, swap, INPUTS | changed, CONSENTED)
    assert message.startswith(says)


def test_the_probe_is_a_face_that_the_model_swaps(swap):
    profile = load_profile("tiny")
    given = probe_inputs("face_swap", profile)
    assert set(given) == set(INPUTS)
    params = FaceSwapParams.parse(MODELS["face_swap"].probe_parameters)
    out = swap(given | probe(profile.swap), params)
    assert out["MASK"].max() == 255


def test_missing_weights_are_unavailable_with_the_command_that_asks_about_their_licence(tmp_path):
    message = refusal(
        ErrorKind.UNAVAILABLE,
        load_function, "face_swap", load_profile("embedded"), Store(tmp_path),
    )  # fmt: skip
    assert "inswapper_128: expected inswapper_128.onnx, got nothing" in message
    assert message.endswith("run `pawfect weights fetch inswapper_128`")


def test_a_profile_for_commercial_use_bars_weights_for_research_only(tmp_path: Path, store):
    embedded, tiny = load_profile("embedded"), load_profile("tiny")
    sold = replace(embedded, name="shop", allow_noncommercial=False)
    message = refusal(ErrorKind.UNAVAILABLE, load_function, "face_swap", sold, Store(tmp_path))
    assert message == (
        "weights inswapper_128: profile shop is for commercial use, "
        "InsightFace non-commercial research is not"
    )
    # What may be sold is served there.
    assert load_function("face_swap", replace(tiny, allow_noncommercial=False), store)
