"""`candidate_search` by proposer `swap`, in process: consent, faces, the raw swap, refinements."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from skimage import data

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.faces import read_faces
from pawfect.contract.scores import AXES, Judgement
from pawfect.contract.search import MARGIN, SearchParams
from pawfect.contract.search_report import SearchReport
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.identity.mask import face_mask
from pawfect.orchestrator import Deployment
from pawfect.orchestrator.search_outcome import similarity_of
from pawfect.orchestrator.searching import search_request
from pawfect.profile import load_profile
from pawfect.search.refinement import refinement_by
from tests.pawfect.orchestrator.conftest import Watched, raising
from tests.pawfect.orchestrator.searched import Search, Searched, brought, search_once, tree
from tests.pawfect.orchestrator.swaps import character, couple, crowd, far_away, mask_of
from tests.refusals import refusal

ASKED: dict[str, Any] = {"proposer": "swap", "consent": True, "caller": "ann", "steps": 2}
RAW = {"k_global": 1}
ONE = {"k_global": 2, "k_local": 0}
LEFT = (40, 160, 120, 260)
RIGHT = (250, 40, 340, 150)
by_klein = pytest.mark.parametrize("chain", ["klein"], indirect=True)
either = pytest.mark.parametrize(
    "chain", ["klein", pytest.param("edit", marks=pytest.mark.slow)], indirect=True
)


def without_sam3(deployment: Deployment) -> Deployment:
    return replace(deployment, profile=replace(deployment.profile, sam3=None))


@pytest.fixture
def searching(in_tiny_weights, chain) -> Search:
    """Run one search of swaps; FLUX.1-Fill edits nothing, the other two chains refine."""

    def run(
        photo: np.ndarray | None = None,
        *,
        mask: np.ndarray | None = None,
        reference: np.ndarray | None = None,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        cancelled: Callable[[Watched], bool] | None = None,
        more: dict[str, Array] | None = None,
        deployment: Deployment | None = None,
        watched: type[Watched] = Watched,
        **parameters: Any,
    ) -> Searched:
        inputs = {
            "IMAGE": couple() if photo is None else np.ascontiguousarray(photo),
            "REFERENCE": character() if reference is None else reference,
            **({} if mask is None else {"MASK": mask}),
            **(more or {}),
        }
        given = deployment or without_sam3(chain.deployment)
        models = watched(chain.models, before, after)
        asked = {k: v for k, v in (ASKED | parameters).items() if v is not None}
        return search_once(inputs, asked, given, models, cancelled)

    return run


@pytest.fixture(scope="module")
def whole(tiny_weights, tiny_chain) -> Searched:
    """One search with refinements and children, over the left face."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWFECT_WEIGHTS", str(tiny_weights))
        chain = tiny_chain("klein")
        inputs = {"IMAGE": couple(), "REFERENCE": character(), "MASK": mask_of(couple(), *LEFT)}
        given = {"k_global": 4, "m_global": 1, "k_local": 2, "seed": 7}
        models = Watched(chain.models)
        return search_once(inputs, ASKED | given, without_sam3(chain.deployment), models)


def alpha_of(run: Searched, chain: Any) -> np.ndarray:
    """How much of each pixel may change, by the library itself."""
    faces = read_faces(chain.models.run("face_analysis", {"IMAGE": couple()}, {}))
    assert run.report.swap is not None
    return face_mask(couple(), faces, mask_of(couple(), *LEFT)).weight


def placed(run: Searched, number: int) -> np.ndarray:
    """A candidate's whole picture."""
    (found,) = (one for one in run.streamed if one.candidate.number == number)
    assert found.box is not None
    x0, y0, x1, y1 = found.box
    picture = couple().copy()
    picture[y0:y1, x0:x1] = found.image
    return picture


@by_klein
def test_the_raw_swap_is_what_the_models_give_laid_over_the_photo(whole, chain, in_tiny_weights):
    (found,) = (
        face for face in read_faces(chain.models.run("face_analysis", {"IMAGE": couple()}, {}))
        if face.box[0] < 100
    )  # fmt: skip
    (source,) = read_faces(chain.models.run("face_analysis", {"IMAGE": character()}, {}))
    inputs = {"IMAGE": couple(), "POINTS": found.points, "EMBEDDING": source.embedding}
    swapped = chain.models.run("face_swap", inputs, {"consent": True})["IMAGE"].astype(float)
    share = alpha_of(whole, chain)[..., None].astype(float)
    expected = couple() + share * (swapped - couple())
    assert np.abs(placed(whole, 0) - expected).max() <= 0.51
    assert np.abs(placed(whole, 0).astype(int) - couple())[share[..., 0] == 1].mean() > 3


@by_klein
def test_outside_the_faces_mask_every_candidate_is_the_photo_bit_for_bit(
    whole, chain, in_tiny_weights
):
    alpha = alpha_of(whole, chain)
    noise = []
    for one in whole.report.candidates:
        picture = placed(whole, one.number)
        assert (picture[alpha == 0] == couple()[alpha == 0]).all()
        noise.append(np.abs(picture.astype(int) - couple())[alpha == 1].mean())
    assert min(noise[n] for n in (1, 2, 4, 5)) > 4 * max(noise[0], noise[3]), "drawn by chance"
    assert len({whole.crops[n].tobytes() for n in whole.crops}) == 6


def test_the_report_says_which_face_whose_consent_and_what_each_candidate_is(whole):
    report = whole.report
    assert (report.proposer, report.engine, report.ended) == ("swap", "klein", "done")
    assert report.swap is not None
    swap = report.swap
    assert (swap.found, swap.kind, swap.caller, swap.margin) == (2, "insightface", "ann", MARGIN)
    assert swap.box is not None
    assert np.abs(np.subtract(swap.box, (25, 147, 137, 276))).max() < 6
    assert set(swap.licences) == {"faces", "swap"}
    assert set(report.weights_used) == {"faces", "swap", "klein", "klein_transformer"}
    assert report.licence is not None
    assert report.licence.startswith("none: random numbers")
    assert SearchReport.from_json(report.to_json()) == report
    told = [(one.variation, one.engine) for one in report.candidates]
    assert told == [
        ("undiffused", "swap"), ("refined", "klein"), ("refined", "klein"), ("boosted", "swap"),
        ("renoised", "klein"), (told[5][0], "klein"),
    ]  # fmt: skip
    assert report.candidates[0].settings == {"pixel_boost": 256}
    assert report.candidates[3].settings == {"pixel_boost": 512}
    refined = report.candidates[1]
    how = refinement_by("klein")
    assert refined.settings["strength"] == how.strength
    assert refined.settings["steps_taken"] == 1, "of two by half the schedule"
    assert refined.settings["instruction"] == how.instruction


def test_what_wins_keeps_the_raw_swaps_identity(whole):
    report = whole.report
    raw = similarity_of(report.candidates[0])
    assert raw is not None
    for one in report.candidates:
        own = similarity_of(one)
        assert one.keeps_identity == (own is not None and own >= raw - MARGIN)
    assert report.winner.keeps_identity
    assert report.judges["identity"] == ("local",)
    assert report.winner.scores["identity"] > 0


def test_the_references_face_is_looked_for_once(whole):
    # The photo, the reference, and each of six candidates.
    assert whole.models.called.count("face_analysis") == 2 + 6
    assert whole.models.called.count("face_swap") == 2


@pytest.mark.slow
@by_klein
def test_the_same_request_gives_the_same_tree_and_pixels(searching):
    given = {"mask": mask_of(couple(), *LEFT), "k_global": 3, "m_global": 1, "k_local": 1}
    one, other = (searching(seed=5, **given) for _ in range(2))
    assert tree(one.report) == tree(other.report)
    np.testing.assert_array_equal(one.image, other.image)


class Fooled(Watched):
    """The models, and a judge elsewhere that likes nothing but black holes."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.shown: list[dict[str, Any]] = []

    async def __call__(self, model, inputs, parameters):
        if model != "score_gemini":
            return await super().__call__(model, inputs, parameters)
        self.shown.append(inputs)
        score = 10.0 if (inputs["RESULT"][inputs["MASK"] > 0] == 0).mean() > 0.1 else 1.0
        said = Judgement("gemini", dict.fromkeys(AXES, score))
        return {"SCORES": text_tensor(said.to_json())}


@by_klein
def test_a_refinement_that_loses_the_face_never_wins_whatever_judges_say(searching, chain):
    def black(outputs: dict[str, Any], count: int) -> dict[str, Any]:
        return outputs | {"IMAGE": np.zeros_like(outputs["IMAGE"])}

    given = {"k_global": 3, "m_global": 1, "k_local": 2, "remote": True, "floor": 0.0}
    run = searching(after={chain.vae_decoder: black}, watched=Fooled, **given)
    raw, *others = run.report.candidates
    assert len(others) == 4
    assert all(one.potential > raw.potential + 1 for one in others)
    assert not any(one.keeps_identity for one in others)
    assert [one.parent for one in others[2:]] == [0, 0], "nor has it children"
    assert run.report.best == 0
    assert any("4 of 5 candidates are below" in note for note in run.report.notes)
    assert all((one["REFERENCE"] == character()).all() for one in run.models.shown)
    assert len(run.models.shown) == 5


@by_klein
def test_where_the_raw_swap_cannot_be_measured_it_stands(searching):
    def nobody(outputs: dict[str, Any], count: int) -> dict[str, Any]:
        # The reference and the photo come first.
        return outputs if count <= 2 else without_faces(outputs)

    run = searching(**ONE, after={"face_analysis": nobody})
    assert run.report.best == 0
    assert "local: identity" in run.report.silent
    assert any("identity could not be measured" in note for note in run.report.notes)


def without_faces(outputs: dict[str, Any]) -> dict[str, Any]:
    named = ("BOXES", "SCORES", "POINTS", "LANDMARKS", "EMBEDDINGS")
    return outputs | {name: outputs[name][:0] for name in named}


@pytest.mark.parametrize("given", [{}, {"consent": False}])
def test_without_consent_nothing_is_looked_at(given):
    params = SearchParams.parse({"proposer": "swap", **given})
    told = refusal(ErrorKind.INVALID_ARG, search_request, {}, params)
    assert told.startswith("consent: expected true")


@pytest.mark.parametrize("given", ["true", "True", 1, "yes"])
def test_consent_is_a_truth_value_and_nothing_that_reads_like_one(given):
    told = refusal(ErrorKind.INVALID_ARG, SearchParams.parse, {"consent": given})
    assert told.startswith("consent: expected ")


@pytest.mark.parametrize(("caller", "said"), [("user-7", "caller user-7"), (None, "unknown")])
def test_who_asked_is_logged_and_no_picture(searching, caplog, caller, said):
    with caplog.at_level(logging.INFO, "pawfect.identity"):
        run = searching(**RAW, caller=caller)
    told = [one.getMessage() for one in caplog.records]
    assert [one.partition(":")[0] for one in told] == ["candidate_search", "face_swap"]
    assert all(said in one and len(one) < 200 for one in told)
    assert run.report.swap.caller == caller


def test_a_mask_is_optional_for_swaps_alone_and_never_empty():
    inputs = {"IMAGE": couple(), "REFERENCE": character()}
    for proposer in ("inpaint", "edit"):
        params = SearchParams.parse({"proposer": proposer})
        told = refusal(ErrorKind.INVALID_ARG, search_request, inputs, params)
        assert told.startswith(f"MASK: expected a mask with proposer={proposer}")
    params = SearchParams.parse(ASKED)
    assert not search_request(inputs, params).masked
    nothing = inputs | {"MASK": np.zeros(couple().shape[:2], np.uint8)}
    assert "MASK" in refusal(ErrorKind.INVALID_ARG, search_request, nothing, params)
    alone = {"IMAGE": couple()}
    assert "REFERENCE" in refusal(ErrorKind.INVALID_ARG, search_request, alone, params)


def test_without_a_mask_the_surest_face_is_swapped_with_one_the_nearest(searching):
    best, left = searching(**RAW), searching(mask=mask_of(couple(), 30, 290, 60, 310), **RAW)
    assert best.report.swap.box[0] > 200
    assert left.report.swap.box[0] < 100
    other = slice(230, 400)
    assert (left.image[:, other] == couple()[:, other]).all()


def test_without_a_model_that_edits_swaps_of_three_sizes_are_compared(searching):
    run = searching(k_global=8, m_global=3, k_local=4)
    report = run.report
    assert [one.settings["pixel_boost"] for one in report.candidates] == [256, 512, 128]
    assert (report.engine, report.planned, report.ended) == ("swap", 3, "done")
    assert len({crop.tobytes() for crop in run.crops.values()}) == 3
    (told,) = report.fallbacks
    assert (told.stage, told.kind) == ("refine", ErrorKind.UNAVAILABLE)
    assert "profile tiny has no edit or klein" in told.reason


def test_a_model_that_was_asked_for_by_name_and_is_not_here_is_an_error(searching):
    run = searching(engine="klein")
    assert run.error is not None
    assert run.error.kind is ErrorKind.UNAVAILABLE
    assert "expected klein or edit to edit by words, got klein" in run.error.message
    other = searching(engine="patch").error
    assert other is not None
    assert other.kind is ErrorKind.INVALID_ARG
    assert other.message == "engine: expected auto, edit or klein with proposer=swap, got patch"


@by_klein
def test_a_model_that_fails_to_refine_leaves_the_raw_swap(searching, chain):
    broken = PawfectError(ErrorKind.INTERNAL, f"{chain.vae_encoder}: broken")
    for engine in ("auto", "klein"):
        run = searching(k_global=3, before={chain.vae_encoder: raising(broken)}, engine=engine)
        assert run.report.best == 0
        (told,) = run.report.fallbacks
        assert (told.stage, told.instead) == ("refine", "swaps that nothing refines")
        assert "broken" in told.reason


def test_a_raw_swap_that_fails_is_the_error_and_nothing_else_is_tried(searching):
    broken = PawfectError(ErrorKind.UNAVAILABLE, "face_swap: run `pawfect weights fetch it`")
    run = searching(k_global=3, before={"face_swap": raising(broken)})
    assert run.error == broken
    assert run.models.called.count("face_swap") == 1


@by_klein
def test_where_no_refinement_fits_the_time_the_raw_swap_is_the_answer(searching, chain):
    late = PawfectError(ErrorKind.DEADLINE, f"{chain.transformer}: no time for a step")
    run = searching(**ONE, before={chain.transformer: raising(late)})
    assert run.report.best == 0
    assert "no time for a step" in str(run.report.candidates[1].error)
    assert [one.instead for one in run.report.fallbacks] == ["swaps that nothing refines"]


@pytest.mark.slow
@by_klein
def test_a_deadline_within_a_refinement_still_gives_the_raw_swap(searching, chain):
    async def slow(count: int) -> None:
        await asyncio.sleep(30.0)

    searching(**RAW)
    run = searching(**ONE, deadline_ms=2500, before={chain.transformer: slow})
    assert run.report.best == 0
    assert run.report.ended == "deadline" or run.report.candidates[1].error is not None
    assert run.report.total_ms < 2500


@by_klein
def test_a_cancelled_search_ends_within_a_step(searching, chain):
    step = chain.transformer
    run = searching(k_global=3, at_once=1, cancelled=lambda m: m.called.count(step) >= 1)
    assert run.error is not None
    assert run.error.kind is ErrorKind.CANCELLED
    assert run.models.called.count(step) == 1


@by_klein
def test_short_memory_makes_a_refinement_smaller(searching, chain):
    full = PawfectError(ErrorKind.OUT_OF_MEMORY, f"{chain.transformer}: out of memory")
    run = searching(**ONE, before={chain.transformer: raising(full, 1, 1)})
    assert [one.error for one in run.report.candidates] == [None, None]


@by_klein
def test_candidates_of_a_run_that_was_broken_off_are_not_made_again(searching):
    first = searching(k_global=2, m_global=1, k_local=1)
    again = searching(k_global=2, m_global=1, k_local=1, more=brought(first, 0, 1))
    assert again.report.known == 2
    assert again.models.called.count("face_swap") == 0
    np.testing.assert_array_equal(again.image, first.image)


@either
def test_children_start_from_their_parent_or_close_to_its_own_noise(searching, chain):
    """From the raw swap's own latents, noised to a part of the schedule."""

    judged: dict[str, Any] = {}

    def alike(outputs: dict[str, Any], count: int) -> dict[str, Any]:
        # Every face is the reference's, and noise has the raw swap's: refinements have children.
        if not len(outputs["SCORES"]):
            outputs = dict(judged)
        judged.update(outputs)
        return outputs | {"EMBEDDINGS": np.ones_like(outputs["EMBEDDINGS"])}

    given = {"k_global": 2, "m_global": 2, "k_local": 2, "at_once": 1}
    run = searching(after={"face_analysis": alike}, **given)
    told = [(one.variation, one.parent) for one in run.report.candidates]
    assert told[:2] == [("undiffused", None), ("refined", None)]
    assert ("neighbourhood", 1) in told
    assert [one for one in told if one[1] == 0] == [("renoised", 0)] * 2, "it never was noise"
    close = next(one for one in run.report.candidates if one.variation == "neighbourhood")
    refined = run.report.candidates[1]
    assert close.settings["noise_seed"] == refined.seed
    assert close.settings["strength"] == refined.settings["strength"]


@by_klein
def test_a_photo_without_a_face_is_edited_where_the_mask_is(searching):
    cat = data.chelsea()[:, 60:400]
    run = searching(cat, mask=mask_of(cat, 80, 90, 180, 200), k_global=1, m_global=0)
    report = run.report
    assert [one.engine for one in report.candidates] == ["init", "klein"]
    assert "the character in picture 2" in report.candidates[1].settings["instruction"]
    assert report.best == 1
    assert report.proposer == "swap"
    assert (report.swap.box, report.swap.found) == (None, 0)
    (told,) = report.fallbacks
    assert "no face at MASK" in told.reason
    assert told.instead.startswith("edits that put the character where MASK is")
    assert run.models.called.count("face_swap") == 0


@pytest.mark.slow
@by_klein
def test_a_mask_over_a_pet_does_not_mean_the_face_of_who_stands_elsewhere(searching):
    cat = data.chelsea()
    both = np.full((320, 900, 3), 128, np.uint8)
    both[:, 500:] = couple()
    both[:300, :451] = cat
    run = searching(both, mask=mask_of(both, 120, 80, 250, 200), k_global=2, m_global=0)
    assert run.report.swap.found == 2
    assert run.report.swap.box is None
    assert (run.image[:, 500:] == couple()).all()


@pytest.mark.parametrize(
    ("photo", "masked", "says"),
    [
        (lambda: data.chelsea(), False, "got no face in it that can be swapped; there is no MASK"),
        (lambda: data.chelsea(), True, "got no face at MASK that can be swapped; no model that"),
        (far_away, False, "2 of the faces cannot be swapped: POINTS: expected a face whose square"),
        (far_away, True, "1 of the faces cannot be swapped: POINTS: expected a face whose square"),
    ],
)
def test_where_nothing_can_be_swapped_that_is_said(searching, photo, masked, says):
    picture = photo()
    mask = mask_of(picture, 86, 87, 104, 109) if masked else None
    run = searching(picture, mask=mask)
    assert run.error is not None
    assert run.error.kind is ErrorKind.INVALID_ARG
    assert run.error.message.startswith("IMAGE: expected a photo with a face to swap")
    assert says in run.error.message


def test_of_ten_faces_the_one_at_the_mask_is_swapped(searching):
    photo = crowd()
    run = searching(photo, mask=mask_of(photo, 490, 170, 560, 250), **RAW)
    assert run.report.swap.found == 10
    changed = np.nonzero((run.image != photo).any(axis=(0, 2)))[0]
    assert 450 <= changed.min() <= changed.max() < 600
    assert (run.image[:140] == photo[:140]).all()


def test_a_face_that_the_border_cuts_is_swapped_as_far_as_it_goes(searching):
    photo = np.ascontiguousarray(couple()[:, 60:])
    run = searching(photo, mask=mask_of(photo, 0, 160, 60, 260), **RAW)
    assert run.error is None
    assert run.report.swap.box[0] < 10
    assert (run.image != photo).any()


@pytest.mark.parametrize(
    ("reference", "got"),
    [(lambda: data.chelsea(), "none"), (couple, "2"), (crowd, "10")],
)
def test_a_reference_must_show_just_one_face(searching, reference, got):
    run = searching(reference=np.ascontiguousarray(reference()))
    assert run.error is not None
    assert run.error.kind is ErrorKind.INVALID_ARG
    assert run.error.message == f"REFERENCE: expected a picture with just one face, got {got}"


def test_what_is_protected_is_not_painted(searching):
    protect = mask_of(couple(), 240, 30, 400, 95)
    run = searching(mask=mask_of(couple(), *RIGHT), more={"PROTECT": protect}, **RAW)
    assert (run.image[protect > 0] == couple()[protect > 0]).all()
    assert (run.image[100:150] != couple()[100:150]).any()
    everything = {"PROTECT": np.full(couple().shape[:2], 255, np.uint8)}
    assert searching(more=everything, **RAW).error.kind is ErrorKind.INVALID_ARG


def test_a_hand_over_the_face_is_taken_out_of_the_mask(searching, chain):
    """SAM3 finds a hand over the lower left of the right face."""

    def hand(outputs: dict[str, Any], count: int) -> dict[str, Any]:
        logits = np.full((1, 8, 8), -9, np.float32)
        logits[0, 4:, :] = 9
        score = np.array([0.9 if count == 1 else 0.0], np.float32)
        return outputs | {"SCORES": score, "MASK_LOGITS": logits}

    plain = searching(mask=mask_of(couple(), *RIGHT), **RAW)
    run = searching(
        mask=mask_of(couple(), *RIGHT),
        after={"sam3_labeling": hand}, deployment=chain.deployment, **RAW,
    )  # fmt: skip
    assert run.report.swap.occluders == ("hand",)
    assert plain.report.swap.occluders == ()
    kept = (run.image == couple()).all(axis=2) & (plain.image != couple()).any(axis=2)
    assert kept[100:].sum() > 500
    assert (run.image[40:90] != couple()[40:90]).any()


def test_a_broken_sam3_leaves_the_mask_as_it_is(searching, chain):
    broken = PawfectError(ErrorKind.UNAVAILABLE, "sam3_labeling: gone")
    run = searching(before={"sam3_labeling": raising(broken)}, deployment=chain.deployment, **RAW)
    assert ("sam3", "nothing taken out of the mask") in [
        (one.stage.removesuffix("_labeling"), one.instead) for one in run.report.fallbacks
    ]


def test_other_faces_than_arcfaces_are_refused_with_what_mends_it(searching):
    def other(outputs: dict[str, Any], count: int) -> dict[str, Any]:
        report = outputs["REPORT"][0].decode().replace('"insightface"', '"centerface"')
        return outputs | {"KIND": text_tensor("centerface"), "REPORT": text_tensor(report)}

    run = searching(after={"face_analysis": other})
    assert run.error is not None
    assert run.error.kind is ErrorKind.UNAVAILABLE
    assert "got centerface; run `pawfect weights fetch tiny-faces`" in run.error.message


@pytest.mark.parametrize("name", ["t4-klein", "l4-edit"])
def test_profiles_for_commercial_use_say_why_they_swap_no_faces(searching, name):
    run = searching(deployment=Deployment(load_profile(name)))
    assert run.error is not None
    assert run.error.kind is ErrorKind.UNAVAILABLE
    barred = f"profile {name} is for commercial use, InsightFace"
    assert f"weights buffalo_l: {barred}" in run.error.message
    assert f"weights inswapper_128: {barred}" in run.error.message


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"allow_noncommercial": False}, "is for commercial use, InsightFace"),
        ({"allow_noncommercial": True}, "run `pawfect weights fetch buffalo_l`"),
        ({"models": ("mask_cleanup",)}, "profile embedded has no model face_analysis"),
    ],
)
def test_a_profile_without_the_networks_says_what_is_lacking(
    tmp_path, monkeypatch, searching, changes, says
):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path))
    profile = replace(load_profile("embedded"), **changes)
    run = searching(deployment=Deployment(profile))
    assert run.error is not None
    assert run.error.kind is ErrorKind.UNAVAILABLE
    assert run.error.message.startswith("swap: ")
    assert says in run.error.message
    assert run.models.called == []
