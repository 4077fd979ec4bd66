"""`score_local` and who is seen: the cosine that counts, and every way of not saying."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from skimage import data

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.faces import read_faces
from pawfect.contract.scores import IDENTITY, LocalJudgeParams
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.judge_local import Judged, judge_request, score_local
from pawfect.scores.likeness import likeness
from tests.pawfect.orchestrator.conftest import Watched, late, raising
from tests.pawfect.orchestrator.swaps import character, couple, mask_of
from tests.refusals import refusal

MASK = mask_of(couple(), 40, 160, 120, 260)
BESIDE = mask_of(couple(), 250, 40, 340, 150)
BACKGROUND = mask_of(couple(), 380, 300, 395, 315)
Judge = Callable[..., Judged]


@pytest.fixture
def judging(in_tiny_weights, tiny, tiny_deployment, tiny_models) -> Judge:
    """Judge the photo as it is, by faces alone: neither SAM3 nor a finder of subjects."""

    def judge(
        reference: np.ndarray | None = None,
        mask: np.ndarray = MASK,
        *,
        result: np.ndarray | None = None,
        before: Any = None,
        after: Any = None,
        faces: Any = tiny.faces,
        deadline_ms: int = 600_000,
        **given: Any,
    ) -> Judged:
        profile = replace(tiny, sam3=None, protect=None, faces=faces)
        inputs = {"RESULT": couple() if result is None else result, "ORIGINAL": couple()}
        inputs |= {"MASK": mask} | ({} if reference is None else {"REFERENCE": reference})
        request = judge_request(inputs, LocalJudgeParams.parse(given))
        models = Watched(tiny_models, before, after)
        deployment = replace(tiny_deployment, profile=profile)
        work = score_local(request, deployment, models, Control(deadline_ms))
        judge.models = models
        return asyncio.run(work)

    return judge


def test_the_face_at_the_mask_is_compared_with_the_references(judging, tiny_models):
    judged = judging(character()).judgement
    photo = read_faces(tiny_models.run("face_analysis", {"IMAGE": couple()}, {}))
    (who,) = read_faces(tiny_models.run("face_analysis", {"IMAGE": character()}, {}))
    left = next(face for face in photo if face.box[0] < 100)
    # It is looked at in a part of the photo: nearly the same points.
    assert judged.parts["similarity"] == pytest.approx(left.like(who), abs=0.03)
    assert judged.scores[IDENTITY] == pytest.approx(likeness(left, who).score, abs=0.6)
    assert any("uncalibrated" in note for note in judged.notes)
    assert "tiny-faces" in str(judged.model)


def test_who_is_the_reference_gets_full_marks_and_who_is_beside_the_mask_none(judging):
    left = np.ascontiguousarray(couple()[120:310, 0:170])
    itself, other = (judging(left, mask).judgement for mask in (MASK, BESIDE))
    assert itself.parts["similarity"] > 0.9
    assert itself.scores[IDENTITY] == 10
    assert other.parts["similarity"] < 0.7
    assert other.scores[IDENTITY] < 9


def test_nobody_to_be_seen_is_not_judged(judging):
    judged = judging().judgement
    assert IDENTITY not in judged.scores
    assert IDENTITY not in judged.silent
    assert judging.models.called == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"reference": np.ascontiguousarray(data.chelsea())}, "no face in REFERENCE"),
        ({"mask": BACKGROUND}, "no face in RESULT at the mask"),
        ({"networks": False}, "networks=false"),
        ({"faces": None}, "profile tiny finds no faces"),
    ],
)
def test_where_there_is_nothing_to_compare_it_says_why_and_no_middling_score(judging, given, why):
    judged = judging(**{"reference": character()} | given)
    assert judged.judgement.silent[IDENTITY] == why
    assert IDENTITY not in judged.judgement.scores
    assert "similarity" not in judged.judgement.parts
    assert judged.fallbacks == ()


def kinds(*kinds_: str) -> Any:
    """Answers of these kinds of faces, one after the other."""

    def after(outputs: dict[str, Any], count: int) -> dict[str, Any]:
        kind = kinds_[count - 1]
        report = outputs["REPORT"][0].decode().replace('"insightface"', f'"{kind}"')
        return outputs | {"KIND": text_tensor(kind), "REPORT": text_tensor(report)}

    return {"face_analysis": after}


def test_faces_of_different_kinds_are_not_compared(judging):
    judged = judging(character(), after=kinds("insightface", "centerface-dlib")).judgement
    assert "insightface" in judged.silent[IDENTITY]
    assert "centerface-dlib" in judged.silent[IDENTITY]


def test_faces_without_embeddings_are_not_compared(judging):
    judged = judging(character(), after=kinds("centerface", "centerface"))
    assert judged.judgement.silent[IDENTITY] == "faces of kind centerface cannot be compared"
    assert judging.models.called == ["face_analysis"], "the result is not even looked at"


@pytest.mark.parametrize("at", [1, 2])
def test_networks_that_fail_leave_the_axis_silent_with_a_note(judging, at):
    broken = PawfectError(ErrorKind.UNAVAILABLE, "face_analysis: run `pawfect weights fetch it`")
    judged = judging(character(), before={"face_analysis": raising(broken, at, at)})
    assert judged.judgement.silent[IDENTITY] == broken.message
    assert [(one.stage, one.kind) for one in judged.fallbacks] == [
        ("face_analysis", ErrorKind.UNAVAILABLE)
    ]
    assert any("identity not judged" in note for note in judged.judgement.notes)
    assert set(judged.judgement.scores) == {"consistency", "realism"}


def test_networks_that_are_late_are_not_waited_for(judging, tiny):
    quick = replace(tiny.faces, timeout_ms=50)
    judged = judging(character(), faces=quick, before={"face_analysis": late(5.0)})
    assert "expected an answer within 50 ms" in judged.judgement.silent[IDENTITY]


def test_a_reference_that_is_too_small_is_refused(judging):
    told = refusal(ErrorKind.INVALID_ARG, judging, np.zeros((20, 80, 3), np.uint8))
    assert told.startswith("REFERENCE: expected sides of")
