"""Where the labels come from: the request, else SAM3, else Florence-2, else nowhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.texts import text_tensor
from pawfect.scene.prompt import Label, build_prompt
from tests.pawfect.orchestrator.conftest import HOLE, SMALL, late, raising

SOURCES = ("sam3_labeling", "florence2")
FAILURES = {
    "down": PawfectError(ErrorKind.UNAVAILABLE, "not loaded"),
    "defect": PawfectError(ErrorKind.INTERNAL, "RuntimeError"),
    "refused": PawfectError(ErrorKind.INVALID_ARG, "RING: expected another"),
}


def asked(run) -> list[str]:
    return [model for model in run.models.called if model in SOURCES]


def test_labels_of_the_request_spare_all_other_sources(fill):
    run = fill(SMALL, HOLE, engine="flux", scene_labels=("sand", "stone"))
    assert asked(run) == []
    assert (run.report.labels, run.report.labels_source) == (("sand", "stone"), "request")
    assert (run.report.prompt, run.report.prompt_source) == ("sand and stone", "labels")


def test_else_sam3_is_asked_and_its_answer_makes_the_prompt(fill):
    answers = []

    def kept(outputs, count):
        answers.append(outputs)
        return outputs

    run = fill(SMALL, HOLE, engine="flux", scene_labels=(), after={"sam3_labeling": kept})
    assert asked(run) == ["sam3_labeling"]
    (answer,) = answers
    names = [name.decode() for name in answer["LABELS"]]
    assert list(run.report.labels) == names
    assert run.report.labels_source == "sam3"
    labels = [
        Label(name, float(score), float(coverage))
        for name, score, coverage in zip(names, answer["SCORES"], answer["COVERAGE"], strict=True)
    ]
    assert run.report.prompt == build_prompt(labels).text
    assert run.report.fallbacks == ()


@pytest.mark.parametrize("failure", FAILURES)
def test_where_sam3_fails_florence2_is_asked(fill, failure):
    error = FAILURES[failure]
    said = {"florence2": lambda outputs, count: {"TEXT": text_tensor("A dog lies on the sand.")}}
    run = fill(SMALL, HOLE, scene_labels=(), before={"sam3_labeling": raising(error)}, after=said)
    assert asked(run) == [*SOURCES]
    assert run.report.engine == "flux"
    assert run.fallbacks == [("sam3_labeling", "florence2")]
    assert run.report.fallbacks[0].reason == str(error)
    assert (run.report.labels, run.report.labels_source) == ((), "florence2")
    assert (run.report.prompt, run.report.prompt_source) == ("sand", "caption")


@pytest.mark.parametrize("failure", FAILURES)
def test_where_both_fail_the_prompt_names_nothing(fill, failure):
    broken = {model: raising(FAILURES[failure]) for model in SOURCES}
    run = fill(SMALL, HOLE, scene_labels=(), before=broken)
    assert run.report.engine == "flux"
    assert run.fallbacks == [("sam3_labeling", "florence2"), ("florence2", "no labels")]
    assert (run.report.labels, run.report.labels_source) == ((), "none")
    assert (run.report.prompt, run.report.prompt_source) == (build_prompt([]).text, "none")


def test_a_source_that_is_slow_is_not_waited_for(fill, tiny, tiny_deployment):
    hasty = replace(
        tiny,
        sam3=replace(tiny.sam3, timeout_ms=100),
        florence2=replace(tiny.florence2, timeout_ms=150),
    )
    run = fill(
        SMALL, HOLE, scene_labels=(), deployment=replace(tiny_deployment, profile=hasty),
        before={model: late(60) for model in SOURCES},
    )  # fmt: skip
    assert run.report.engine == "flux"
    assert run.fallbacks == [("sam3_labeling", "florence2"), ("florence2", "no labels")]
    assert "sam3_labeling: expected an answer within 100 ms" in run.report.fallbacks[0].reason
    assert "florence2: expected an answer within 150 ms" in run.report.fallbacks[1].reason
    assert run.report.total_ms < 30_000


def test_where_sam3_recognises_nothing_florence2_is_asked(fill):
    def nothing(outputs, count):
        empty = np.zeros(0, np.float32)
        return {"LABELS": text_tensor(), "SCORES": empty, "COVERAGE": empty}

    run = fill(SMALL, HOLE, scene_labels=(), after={"sam3_labeling": nothing})
    assert asked(run) == [*SOURCES]
    assert run.fallbacks[0] == ("sam3_labeling", "florence2")
    assert run.report.fallbacks[0].reason == "no surface recognised"
    assert run.report.labels_source == "florence2"


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        ({"sam3": None}, ["florence2"]),
        ({"sam3": None, "florence2": None}, []),
        ({"florence2": None}, ["sam3_labeling"]),
    ],
)
def test_a_source_that_the_profile_lacks_is_not_asked_and_no_fallback(
    fill, tiny, tiny_deployment, lacking, expected
):
    deployment = replace(tiny_deployment, profile=replace(tiny, **lacking))
    run = fill(SMALL, HOLE, scene_labels=(), deployment=deployment)
    assert asked(run) == expected
    assert run.report.fallbacks == ()
    assert run.report.engine == "flux"


def test_where_sam3_fails_and_there_is_no_florence2_there_are_no_labels(
    fill, tiny, tiny_deployment
):
    deployment = replace(tiny_deployment, profile=replace(tiny, florence2=None))
    broken = {"sam3_labeling": raising(FAILURES["down"])}
    run = fill(SMALL, HOLE, scene_labels=(), deployment=deployment, before=broken)
    assert run.fallbacks == [("sam3_labeling", "no labels")]
    assert run.report.labels_source == "none"


@pytest.mark.parametrize("model", SOURCES)
def test_a_cancelled_source_cancels_the_request(fill, model):
    broken = {"sam3_labeling": raising(FAILURES["down"])} if model == "florence2" else {}
    gone = {model: raising(PawfectError(ErrorKind.CANCELLED, "gone"))}
    run = fill(SMALL, HOLE, scene_labels=(), before=broken | gone)
    assert run.error.kind is ErrorKind.CANCELLED


def test_the_requests_own_prompt_comes_before_its_labels(fill):
    run = fill(SMALL, HOLE, engine="flux", prompt="Schnee", scene_labels=("sand",))
    assert (run.report.prompt, run.report.prompt_source) == ("snow", "prompt")
    assert run.report.labels == ("sand",)
