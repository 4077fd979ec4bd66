"""Qwen-Image-Edit as it was before it took several pictures, on a server of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diffusers import QwenImageEditInpaintPipeline, QwenImageEditPipeline

from pawfect.weights.lock import BUILT_HERE, now
from pawfect.weights.store import ROOT_VARIABLE, Store, locked_folder
from pawfect_export.tiny.edit import build
from tests import edit_oracle
from tests.conftest import READY, ServedProcess, bring_networks
from tests.lawn import lawn
from tests.pawfect.qwen.test_run import edited
from tests.server.neural.conftest import (
    GRASS,
    PLAIN,
    READY_S,
    WHOLE,
    NeuralClient,
    Started,
    difference,
    photo,
)
from tests.server.neural.test_chains import AREA, INSTRUCTION, parts

ENTRY = "tiny-edit"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A server of profile `tiny-edit` whose weights are of the single-picture pipeline."""
    weights = tmp_path_factory.mktemp("weights")
    bring_networks(weights)
    build(weights / ENTRY, pipeline=QwenImageEditPipeline.__name__)
    Store(weights).lock.put(ENTRY, locked_folder(weights / ENTRY, BUILT_HERE, now()))
    folder = tmp_path_factory.mktemp("single")
    running = ServedProcess(folder, profile=ENTRY, **{ROOT_VARIABLE: str(weights)})
    try:
        yield Started(running, weights, running.wait_for(READY, timeout_s=READY_S))
    finally:
        running.stop()


@pytest.fixture
def caller(served: Started) -> Iterator[NeuralClient]:
    raw = NeuralClient(served.server.endpoints.grpc)
    yield raw
    raw.grpc.close()


def pipeline(kind: type[edit_oracle.Pipeline], weights: Path) -> edit_oracle.Pipeline:
    return edit_oracle.load_pipeline(kind, weights / ENTRY)


@pytest.mark.parametrize("how", [(4.0, " "), (1.0, None)], ids=["guided", "unguided"])
def test_an_edit_is_what_its_pipeline_draws(caller, served, how):
    guidance, negative = how
    picture = lawn(128, 128, 1)
    given = {
        "prompt": INSTRUCTION, "negative": negative, "steps": 4, "guidance": guidance, "seed": 8,
    }  # fmt: skip
    with edit_oracle.areas(0, 1024 * 1024):
        theirs = edit_oracle.edit_by_pipeline(
            pipeline(QwenImageEditPipeline, served.weights), [picture], size=(128, 128), **given
        )
    canvas = np.zeros((128, 128, 3), np.uint8)
    ours = edited(parts(caller, served, "edit"), canvas, [picture], **given, area=1024 * 1024)
    assert difference(ours, theirs) <= 1


def test_a_hole_shows_what_the_inpainting_pipeline_paints(caller, served, monkeypatch):
    image = photo(6)
    asked = PLAIN | {"seed": 7, "protect": "none"}
    result = caller(image, WHOLE, SCENE_LABELS=GRASS, **(asked | {"engine": "edit"}))
    report = caller.report(result)
    floor = caller(image, WHOLE, **(asked | {"engine": "patch"})).as_numpy("IMAGE")
    inpainting = pipeline(QwenImageEditInpaintPipeline, served.weights)
    # The canvas keeps the photo's own size; what the text encoder sees is a megapixel all the same.
    embed = inpainting._get_qwen_prompt_embeds
    monkeypatch.setattr(
        inpainting,
        "_get_qwen_prompt_embeds",
        lambda prompt, image, *given: embed(prompt, image.resize((1024, 1024), 1), *given),
    )
    with edit_oracle.areas(0, AREA):
        theirs = edit_oracle.edit_by_pipeline(
            inpainting, [floor], prompt=report.prompt, negative=" ", steps=report.steps,
            guidance=report.guidance_scale, seed=7, size=(128, 128), mask=WHOLE,
        )  # fmt: skip
    hole, ours = WHOLE > 0, result.as_numpy("IMAGE")
    assert difference(ours[hole], theirs[hole]) <= 1
    np.testing.assert_array_equal(ours[~hole], image[~hole])
