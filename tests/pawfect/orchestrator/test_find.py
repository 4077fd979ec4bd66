"""The flow of `find_masks` in this process: what it asks SAM3, and when it gives up."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.find import FindMasksParams
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.find import FIND_MASKS, find_masks, find_request
from tests.lawn import lawn
from tests.refusals import refusal

PHOTO = lawn(96, 128)
BOXES = np.array([[10, 20, 60, 80]], np.float32)


def run(
    deployment: Any, call: Any, inputs: dict[str, Any], control: Control | None = None, **given: Any
) -> Any:
    request = find_request({"IMAGE": PHOTO} | inputs, FindMasksParams.parse(given))
    return asyncio.run(find_masks(request, deployment, call, control or Control(30_000)))


def test_the_phrase_goes_on_as_words_and_its_masks_come_back(
    tiny_deployment, tiny_models, in_tiny_weights
):
    asked: list[dict[str, Any]] = []

    async def call(model: str, inputs: Any, parameters: Any) -> Any:
        assert (model, dict(parameters)) == ("sam3_labeling", {})
        asked.append(dict(inputs))
        return await tiny_models(model, inputs, parameters)

    words = {"PHRASE": text_tensor("  a  leash "), "BOXES": BOXES}
    result = run(tiny_deployment, call, words, least_score=0.0, most=3)
    (inputs,) = asked
    assert inputs["PHRASE"].tolist() == [b"a leash"]
    assert inputs["IMAGE"] is PHOTO
    outputs = FIND_MASKS.encode(result)
    assert outputs["MASKS"].shape == (3, 96, 128)
    assert set(np.unique(outputs["MASKS"])) == {0, 255}
    report = result.report
    assert (report.phrase, report.boxes, len(report.finds)) == ("a leash", 1, 3)
    assert report.left_out > 0
    assert set(report.weights) == {"sam3"}


@pytest.mark.parametrize(
    ("control", "kind"),
    [(Control(100), ErrorKind.DEADLINE), (Control(9000, lambda: True), ErrorKind.CANCELLED)],
    ids=["late", "cancelled"],
)
def test_nobody_waits_for_sam3_longer_than_the_request(tiny_deployment, control, kind):
    async def call(model: str, inputs: Any, parameters: Any) -> Any:
        await asyncio.Event().wait()

    refusal(kind, run, tiny_deployment, call, {"PHRASE": text_tensor("leash")}, control)
