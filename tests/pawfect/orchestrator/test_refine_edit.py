"""General and subject by an edit model of the profile, in this process, nothing sent anywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from diffusers import QwenImageEditPlusPipeline

from pawfect.contract.capabilities import Capability
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.refine_report import RefineReport
from pawfect.contract.texts import text_tensor
from pawfect.local_refine import LocalRefine
from pawfect.orchestrator.refine import RefineResult
from pawfect.refine.creativity import creativity
from pawfect.weights.store import ROOT_VARIABLE
from tests import edit_oracle, klein_oracle
from tests.image_server import KEY, ImageServer
from tests.lawn import holes, lawn
from tests.pawfect.conftest import TinyChain
from tests.refusals import refusal

# As large as the smallest working size of the tiny profiles: drawn at its own size.
SIDE = 128
PHOTO = lawn(SIDE, SIDE)
GENERAL = {"prompt": "all of it in red"}
SUBJECT = {"instructions": "brown ears"}

both = pytest.mark.parametrize("chain", ["klein", "edit"], indirect=True)
by_klein = pytest.mark.parametrize("chain", ["klein"], indirect=True)
by_edit = pytest.mark.parametrize("chain", ["edit"], indirect=True)


class Editing:
    """`refine` with the profile of a tiny chain."""

    def __init__(self, chain: TinyChain) -> None:
        self.chain = chain
        self.flow = LocalRefine(chain.profile)
        # Loaded once for all tests.
        self.flow._models = chain.models

    def __call__(
        self, kind: str, payload: Any, parameters: Any = None, **more: Any
    ) -> RefineResult:
        texts = {"TYPE": text_tensor(kind), "PAYLOAD": text_tensor(json.dumps(payload))}
        pictures = {name: more.pop(name) for name in list(more) if name.isupper()}
        return self.flow.refine({"IMAGE": PHOTO, **texts, **pictures}, parameters or {}, **more)


@pytest.fixture
def refine(in_tiny_weights, chain, monkeypatch) -> Editing:
    for name in ("PAWFECT_REMOTE_URL", "PAWFECT_REMOTE_KEY"):
        monkeypatch.delenv(name, raising=False)
    return Editing(chain)


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.std() > 10
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@by_klein
def test_general_is_what_kleins_pipeline_draws_and_says_how_it_came_about(
    refine, chain, tiny_weights
):
    result = refine("general", GENERAL, {"seed": 3})
    theirs = klein_oracle.draw_by_pipeline(
        klein_oracle.load_pipeline(tiny_weights / "tiny-klein"), (SIDE, SIDE), [PHOTO],
        prompt=f"{GENERAL['prompt']} {creativity(2).words}", steps=4, seed=3,
        tokens=chain.profile.klein.text_tokens,
    )  # fmt: skip
    assert_same(result.image, theirs.picture)
    report = result.report
    assert (report.engine, report.remote, report.fallbacks) == ("klein", None, ())
    assert set(report.weights) == {"klein", "klein_transformer"}
    edit = report.edit
    assert edit.licence == "none: random numbers from a fixed seed"
    assert (edit.working_px, edit.steps, edit.steps_taken) == ((SIDE, SIDE), 4, 4)
    assert (edit.strength, edit.guidance_scale) == (1.0, None)
    assert report.notes == (
        "without a mask the whole photo was drawn anew, and has no more detail",
    )
    assert {"klein_text_encoder", "klein_transformer", "klein_vae_decoder"} <= set(report.stage_ms)
    assert sum(report.stage_ms.values()) <= report.total_ms
    assert RefineReport.from_json(report.to_json()) == report


@by_edit
def test_a_subject_is_what_qwen_image_edits_pipeline_draws_by_its_reference(refine, tiny_weights):
    reference = lawn(SIDE, SIDE, 7)
    result = refine("subject", SUBJECT, {"seed": 5, "engine": "edit"}, REFERENCE=reference)
    words = (
        "brown ears The second picture shows the real subject: make the first picture's subject "
        f"look like it. {creativity(2).words}"
    )
    with edit_oracle.areas(384 * 384, SIDE * SIDE):
        theirs = edit_oracle.edit_by_pipeline(
            edit_oracle.load_pipeline(QwenImageEditPlusPipeline, tiny_weights / "tiny-edit"),
            [PHOTO, reference], prompt=words, negative=" ", steps=4, guidance=4.0, seed=5,
            size=(SIDE, SIDE),
        )  # fmt: skip
    assert_same(result.image, theirs)
    assert (result.report.engine, result.report.edit.guidance_scale) == ("edit", 4.0)


@both
def test_outside_the_masks_and_under_protect_not_a_bit_changes(refine):
    masks = np.stack([holes(SIDE, SIDE, (20, 20, 60, 50)), holes(SIDE, SIDE, (90, 90, 99, 99))])
    protect = holes(SIDE, SIDE, (30, 20, 40, 50))
    result = refine("general", GENERAL, MASKS=masks, PROTECT=protect)
    free = (masks >= 128).any(axis=0) & (protect < 128)
    np.testing.assert_array_equal(result.image[~free], PHOTO[~free])
    assert (result.image[free] != PHOTO[free]).any(axis=1).mean() > 0.9
    report = result.report
    assert report.changed_px == np.count_nonzero((result.image != PHOTO).any(axis=2))
    assert report.changes is None
    assert report.notes == ()


@by_klein
def test_without_masks_the_report_says_where_the_picture_changed(refine):
    changes = refine("general", GENERAL).report.changes
    assert 0.5 < changes.share <= 1
    assert (len(changes.cells), {len(row) for row in changes.cells}) == (32, {32})
    # What is protected stays, and the map shows it.
    protect = holes(SIDE, SIDE, (0, 0, SIDE, SIDE // 2))
    kept = refine("general", GENERAL, PROTECT=protect).report.changes
    assert kept.share <= 0.5
    assert {cell for row in kept.cells[:16] for cell in row} == {0}
    assert max(cell for row in kept.cells[16:] for cell in row) > 2


@by_klein
def test_a_large_photo_is_drawn_at_the_working_size_and_scaled_back(refine):
    photo = lawn(300, 420)
    result = refine("subject", SUBJECT, IMAGE=photo)
    assert result.image.shape == photo.shape
    width, height = result.report.edit.working_px
    assert (width % 16, height % 16) == (0, 0)
    assert 0.9 < width * height / 256**2 < 1.1


@both
def test_creativity_moves_strength_and_what_a_guided_model_has_besides(refine, chain):
    close, free = (
        refine("general", GENERAL, {"creativity": level}).report.edit for level in (1, 3)
    )
    assert (close.strength, close.steps, close.steps_taken) == (0.75, 4, 3)
    guided = chain.name == "edit"
    assert (free.strength, free.steps) == (1.0, 5 if guided else 4)
    assert free.guidance_scale == (pytest.approx(2.4) if guided else None)


@by_klein
def test_progress_never_falls_and_shows_the_photo_as_it_becomes(refine):
    seen = []
    mask = holes(SIDE, SIDE, (20, 20, 60, 50))
    refine("general", GENERAL, MASKS=mask[None], notify=seen.append)
    shares = [progress.progress for progress in seen]
    assert shares == sorted(shares)
    shown = [progress.preview for progress in seen if progress.stage == "klein_transformer"]
    assert len(shown) == 4
    for preview in shown:
        np.testing.assert_array_equal(preview[mask < 128], PHOTO[mask < 128])
        assert (preview[mask >= 128] != PHOTO[mask >= 128]).any()


@by_klein
def test_an_instruction_over_the_token_limit_is_refused(refine):
    message = refusal(ErrorKind.INVALID_ARG, refine, "general", {"prompt": "grass leaves " * 150})
    assert message.startswith("instruction: expected at most 256 tokens, got ")


@by_klein
def test_a_reference_that_the_payload_names_must_come(refine):
    named = {**SUBJECT, "referenceFileId": "f-1"}
    assert refusal(ErrorKind.INVALID_ARG, refine, "subject", named) == (
        "REFERENCE: expected the picture that PAYLOAD: referenceFileId names, got none"
    )
    result = refine("subject", named, REFERENCE=lawn(90, 70))
    assert result.report.payload == named


@by_klein
def test_the_deadline_is_held_and_who_cancels_does_not_wait(refine):
    late = refusal(ErrorKind.DEADLINE, refine, "general", GENERAL, {"deadline_ms": 1})
    assert "within 1 ms" in late
    begun = []
    refusal(
        ErrorKind.CANCELLED, refine, "general", GENERAL, notify=begun.append,
        stop=lambda: any(progress.stage == "klein_transformer" for progress in begun),
    )  # fmt: skip


@by_klein
@pytest.mark.parametrize("engine", ["edit", "flux", "patch"])
def test_an_engine_that_does_not_edit_here_is_unavailable(refine, engine):
    message = refusal(ErrorKind.UNAVAILABLE, refine, "general", GENERAL, {"engine": engine})
    assert message == (
        f"edit: engine: expected klein or edit to edit by words, got {engine}; "
        "profile tiny-klein has klein"
    )


@by_klein
def test_an_engine_that_the_licence_leaves_out_is_unavailable(refine):
    fill = refine.flow._refining.fill
    barred = replace(fill, barred=MappingProxyType({"klein": "not for commercial use"}))
    refine.flow._refining = replace(refine.flow._refining, fill=barred)
    for asked in ({}, {"engine": "klein"}):
        message = refusal(ErrorKind.UNAVAILABLE, refine, "general", GENERAL, asked)
        assert message.startswith("edit: engine=klein: not for commercial use")
    assert not refine.flow.capabilities().can["general"].available


@by_klein
def test_the_next_edit_model_of_the_profile_stands_in_for_weights_that_are_missing(
    refine, tiny_chain
):
    both_models = replace(refine.chain.profile, engines=("edit", "klein", "patch"))
    fill, other = refine.flow._refining.fill, tiny_chain("edit").deployment.chain("edit")
    missing = PawfectError(ErrorKind.UNAVAILABLE, "run `pawfect weights fetch tiny-edit`")
    lacking = replace(other, schedule=None, error=missing)
    refine.flow._refining = replace(
        refine.flow._refining,
        fill=replace(
            fill,
            profile=both_models,
            chains=MappingProxyType({**fill.chains, "edit": lacking}),
        ),
    )
    assert refine("general", GENERAL).report.engine == "klein"
    message = refusal(ErrorKind.UNAVAILABLE, refine, "general", GENERAL, {"engine": "edit"})
    assert "pawfect weights fetch tiny-edit" in message


@by_klein
def test_without_its_weights_the_answer_says_what_brings_them(chain, tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    bare = Editing(chain)
    why = bare.flow.capabilities().can["subject"].why
    assert "pawfect weights fetch tiny-klein" in why
    assert "no remote engine is set up" in why
    assert why in refusal(ErrorKind.UNAVAILABLE, bare, "subject", SUBJECT)


@by_klein
def test_capabilities_say_that_nothing_leaves_the_machine_and_nothing_does(refine, monkeypatch):
    can = refine.flow.capabilities().can
    assert (can["general"], can["subject"]) == (Capability(True), Capability(True))
    with ImageServer().serving() as images:
        monkeypatch.setenv("PAWFECT_REMOTE_URL", images.url)
        monkeypatch.setenv("PAWFECT_REMOTE_KEY", KEY)
        allowed = Editing(refine.chain)
        assert allowed.flow.capabilities().can["general"] == Capability(True)
        assert allowed("general", GENERAL, {"remote": True}).report.engine == "klein"
        assert images.asked == []
