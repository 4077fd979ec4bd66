"""`score_local` in this process: what networks add, and that none of them is needed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.scores import CONSISTENCY, REALISM, Judgement, LocalJudgeParams
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.judge_local import (
    SCORE_LOCAL,
    Judged,
    judge_local,
    judge_request,
    score_local,
)
from pawfect.scores.local import judge_locally
from tests.lawn import holes, lawn
from tests.pawfect.orchestrator.conftest import Watched, raising
from tests.pawfect.orchestrator.looked import KNOWN, Answering
from tests.refusals import refusal

HEIGHT, WIDTH = 120, 160
ORIGINAL = lawn(HEIGHT, WIDTH)
MASK = holes(HEIGHT, WIDTH, (60, 40, 110, 90))
INPUTS = {"RESULT": ORIGINAL, "ORIGINAL": ORIGINAL, "MASK": MASK}
PLAIN = judge_locally(ORIGINAL, ORIGINAL, MASK)
FAILURE = PawfectError(ErrorKind.INTERNAL, "it is gone")


async def nothing(model: str, inputs: Any, parameters: Any) -> Any:
    raise AssertionError(f"{model} was called")


def run(deployment: Deployment, call: Any, control: Control | None = None, **given: Any) -> Judged:
    tensors = INPUTS | {name: given.pop(name) for name in list(given) if name.isupper()}
    request = judge_request(tensors, LocalJudgeParams.parse(given))
    return asyncio.run(score_local(request, deployment, call, control or Control(600_000)))


@pytest.fixture
def labelling(in_tiny_weights, tiny, tiny_deployment, tiny_models):
    """Judge where SAM3 is, which sees these surfaces: around the hole, then in it."""
    profile = replace(tiny, protect=None)

    def judge(*answers: tuple[str, float], before: Any = None, **given: Any) -> Judged:
        def after(outputs: Any, count: int) -> Any:
            name, coverage = answers[count - 1]
            one = np.ones(1, np.float32)
            return {"LABELS": text_tensor(name), "SCORES": one, "COVERAGE": one * coverage}

        models = Watched(tiny_models, before, {"sam3_labeling": after})
        return run(replace(tiny_deployment, profile=profile), models, **given)

    return judge


@pytest.fixture
def looking(monkeypatch, embedded):
    """Judge where a network is that takes this for the subject."""
    monkeypatch.setattr("pawfect.matting.networks.networks", lambda: KNOWN)
    protect = replace(embedded.protect, networks=("exact",), size=2048)
    profile = replace(embedded, protect=protect)
    deployment = Deployment(profile, finders=MappingProxyType({"exact": "exact@1"}))

    def judge(answer: Any, **given: Any) -> tuple[Judged, Answering]:
        models = Answering(profile, answer)
        return run(deployment, models, **given), models

    return judge


def test_without_networks_it_is_the_plain_judgement(embedded):
    judgement = asyncio.run(
        judge_local(ORIGINAL, ORIGINAL, MASK, Deployment(embedded), nothing, Control(60_000))
    )
    assert (judgement.scores, judgement.parts) == (PLAIN.scores, PLAIN.parts)
    assert (judgement.judge, judgement.model, judgement.notes) == ("local", None, ())
    assert judgement.ms > 0


def test_a_surface_that_is_not_around_lowers_consistency(labelling):
    judged = labelling(("grass", 0.9), ("bench", 0.5)).judgement
    assert judged.parts["strange"] == 0.5
    assert judged.scores[CONSISTENCY] < PLAIN.scores[CONSISTENCY] / 2
    assert judged.scores[REALISM] == PLAIN.scores[REALISM]
    assert "tiny-sam3" in str(judged.model)


def test_the_same_surface_in_and_around_lowers_nothing(labelling):
    judged = labelling(("grass", 0.9), ("grass", 0.8)).judgement
    assert judged.scores == PLAIN.scores
    assert judged.parts["strange"] == 0


def test_a_subject_in_the_fill_lowers_consistency(looking):
    subject = holes(HEIGHT, WIDTH, (70, 45, 105, 85)) > 0
    judged, models = looking(lambda picture, *_: subject)
    assert models.asked == [("exact:2048:dynamic", None)]
    assert judged.judgement.parts["subject"] == pytest.approx(35 * 40 / 2500, abs=0.01)
    assert judged.judgement.scores[CONSISTENCY] < PLAIN.scores[CONSISTENCY] / 2
    assert judged.judgement.model == "exact@1"


def test_a_pet_beside_the_hole_and_none_at_all_lower_nothing(looking):
    for subject in (holes(HEIGHT, WIDTH, (0, 30, 50, 120)) > 0, np.zeros((HEIGHT, WIDTH))):
        judged, _ = looking(lambda picture, *_, subject=subject: subject)
        assert judged.judgement.parts["subject"] == 0
        assert judged.judgement.scores == PLAIN.scores


def test_networks_that_fail_are_left_out_with_a_note(labelling, looking):
    def fails(*_: Any) -> Any:
        raise FAILURE

    for judged in (labelling(before={"sam3_labeling": raising(FAILURE)}), looking(fails)[0]):
        assert judged.judgement.scores == PLAIN.scores
        (fallback,) = judged.fallbacks
        assert (fallback.instead, fallback.kind) == ("judged without it", ErrorKind.INTERNAL)
        assert judged.judgement.notes == (f"{fallback.stage}: it is gone; judged without it",)
        assert judged.judgement.model is None


def test_labels_of_the_fill_that_fail_leave_those_around_without_meaning(labelling):
    judged = labelling(("grass", 1.0), before={"sam3_labeling": raising(FAILURE, at=2)})
    assert "strange" not in judged.judgement.parts
    assert len(judged.fallbacks) == 1


def test_who_wants_no_networks_has_none_asked(labelling, looking):
    def fails(*_: Any) -> Any:
        raise AssertionError("a network was asked")

    for judged in (labelling(networks=False), looking(fails, networks=False)[0]):
        assert judged.judgement.scores == PLAIN.scores
        assert judged.fallbacks == ()


@pytest.mark.parametrize(
    ("control", "kind"),
    [(Control(50), ErrorKind.DEADLINE), (Control(9000, lambda: True), ErrorKind.CANCELLED)],
    ids=["late", "cancelled"],
)
def test_a_request_that_is_over_is_no_judgement(tiny_deployment, control, kind):
    async def hangs(model: str, inputs: Any, parameters: Any) -> Any:
        await asyncio.Event().wait()

    assert refusal(kind, run, tiny_deployment, hangs, control)


def test_bad_input_is_refused_by_name():
    for changed, says in (
        ({"MASK": np.zeros_like(MASK)}, "MASK: expected some of it >= 128"),
        ({"RESULT": ORIGINAL[:-1]}, "RESULT: expected the size of ORIGINAL"),
        ({"REFERENCE": ORIGINAL[:10]}, "REFERENCE: expected sides of"),
    ):
        message = refusal(
            ErrorKind.INVALID_ARG, judge_request, INPUTS | changed, LocalJudgeParams()
        )
        assert says in message
    for unknown in ({"remote": True}, {"deadline_ms": 0}, {"networks": "true"}):
        refusal(ErrorKind.INVALID_ARG, LocalJudgeParams.parse, unknown)


def test_its_answer_is_json_and_both_photos_count_as_held(embedded):
    outputs = SCORE_LOCAL.encode(run(Deployment(embedded), nothing))
    assert set(outputs) == {"SCORES"}
    assert Judgement.from_json(outputs["SCORES"][0]).scores == PLAIN.scores
    assert SCORE_LOCAL.pixels(INPUTS, {}) == 2 * HEIGHT * WIDTH
    assert SCORE_LOCAL.pixels({"RESULT": MASK}, {}) == 0
