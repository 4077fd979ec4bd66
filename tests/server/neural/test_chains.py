"""FLUX.2 [klein] and Qwen-Image-Edit on the server: the pipelines' pictures, batches, company."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from diffusers import QwenImageEditInpaintPipeline, QwenImageEditPlusPipeline

from pawfect.profile import load_profile
from tests import edit_oracle, klein_oracle
from tests.lawn import lawn
from tests.pawfect.qwen.test_run import edited
from tests.server.conftest import at_once
from tests.server.neural.conftest import (
    GRASS,
    PLAIN,
    PROFILE,
    WHOLE,
    NeuralClient,
    Tensors,
    difference,
    photo,
)

INSTRUCTION = "Make the grass taller and put a ball on it."
SETTINGS = load_profile(PROFILE)
# What the masked pipeline of Qwen-Image-Edit scales to here: the photo's own size.
AREA = 128 * 128


@dataclass(frozen=True)
class Step:
    """A transformer on the server; see `pawfect.diffusion.batch.Stepper`."""

    client: NeuralClient
    model: str
    module: Any = None

    def shared(self, item: Mapping[str, np.ndarray]) -> tuple[int, ...]:
        del item
        return ()

    def velocities(self, items: Sequence[Mapping[str, np.ndarray]]) -> list[np.ndarray]:
        asked = [{name: array[None] for name, array in item.items()} for item in items]
        return [self.client.ask(self.model, one)["VELOCITY"][0] for one in asked]

    def free(self) -> None:
        """Nothing is kept here."""


class Text:
    """A text encoder on the server."""

    def __init__(self, client: NeuralClient, model: str) -> None:
        self._client = client
        self._model = model

    def encode(self, prompt: str, pictures: Sequence[np.ndarray] = ()) -> Any:
        inputs: Tensors = {"PROMPT": np.array([prompt.encode()], np.object_)}
        if pictures:
            inputs["PICTURES"] = np.concatenate([picture.reshape(-1) for picture in pictures])
            inputs["SIZES"] = np.array([picture.shape[:2] for picture in pictures], np.int32)
        return SimpleNamespace(embeds=self._client.ask(self._model, inputs)["PROMPT_EMBEDS"])


class Vae:
    """An autoencoder on the server."""

    def __init__(self, client: NeuralClient, chain: str) -> None:
        self._client = client
        self._chain = chain

    def encode(self, image: np.ndarray, seed: int, *, sampled: bool = False) -> Any:
        inputs: Tensors = {"IMAGE": image, "SEED": np.array([seed])}
        if sampled:
            inputs["SAMPLED"] = np.array([1], np.uint8)
        out = self._client.ask(f"{self._chain}_vae_encoder", inputs)
        return SimpleNamespace(latents=out["LATENTS"], prior=out["PRIOR"])

    def decode(self, latents: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
        given = {"LATENTS": latents, "GRID": np.array(grid, np.int32)}
        return self._client.ask(f"{self._chain}_vae_decoder", given)["IMAGE"]


def parts(client: NeuralClient, started: Any, chain: str) -> klein_oracle.Parts:
    """The four models of a chain on the server, as the library's parts are used."""
    return klein_oracle.Parts(
        started.weights / f"tiny-{chain}",
        Text(client, f"{chain}_text_encoder"),
        Vae(client, chain),
        Step(client, f"{chain}_transformer"),
    )


@pytest.fixture(scope="module")
def klein_pipeline(started) -> Any:
    return klein_oracle.load_pipeline(started.weights / "tiny-klein")


@pytest.mark.parametrize("sizes", [[], [(96, 80), (64, 112)]], ids=["none", "two"])
def test_klein_draws_what_its_pipeline_draws_by_references(client, started, klein_pipeline, sizes):
    references = [lawn(*size, seed) for seed, size in enumerate(sizes)]
    given = {"prompt": INSTRUCTION, "steps": 4, "seed": 3}
    ours = parts(client, started, "klein").draw((96, 128), references, **given)
    theirs = klein_oracle.draw_by_pipeline(
        klein_pipeline, (96, 128), references, **given, tokens=SETTINGS.klein.text_tokens
    )
    assert difference(ours.picture, theirs.picture) <= 1


@pytest.mark.parametrize("strength", [0.8, 0.6])
def test_a_hole_filled_by_klein_shows_what_its_pipeline_paints(client, klein_pipeline, strength):
    image = photo(4)
    result = client(
        image, WHOLE, SCENE_LABELS=GRASS, strength=strength, seed=5, protect="none",
        **(PLAIN | {"engine": "klein"}),
    )  # fmt: skip
    report = client.report(result)
    floor = client(image, WHOLE, seed=5, protect="none", **(PLAIN | {"engine": "patch"})).as_numpy(
        "IMAGE"
    )
    theirs = klein_oracle.fill_by_pipeline(
        klein_oracle.load_inpaint_pipeline(klein_pipeline), floor, WHOLE, prompt=report.prompt,
        steps=report.steps, strength=strength, seed=5, tokens=SETTINGS.klein.text_tokens,
    ).picture  # fmt: skip
    assert (report.engine, report.steps, report.strength) == ("klein", 4, strength)
    assert report.licence == "none: random numbers from a fixed seed"
    hole, ours = WHOLE > 0, result.as_numpy("IMAGE")
    assert difference(ours[hole], theirs[hole]) <= 1
    np.testing.assert_array_equal(ours[~hole], image[~hole])
    assert (ours[hole] != floor[hole]).any()


def test_an_edit_by_two_pictures_is_what_its_pipeline_draws(client, started):
    pictures = [lawn(96, 128, 1), lawn(112, 80, 2)]
    given = {"prompt": INSTRUCTION, "negative": " ", "steps": 4, "guidance": 4.0, "seed": 8}
    area = 96 * 128
    with edit_oracle.areas(384 * 384, area):
        pipeline = edit_oracle.load_pipeline(
            QwenImageEditPlusPipeline, started.weights / "tiny-edit"
        )
        theirs = edit_oracle.edit_by_pipeline(pipeline, pictures, size=(96, 128), **given)
    canvas = np.zeros((96, 128, 3), np.uint8)
    ours = edited(parts(client, started, "edit"), canvas, pictures, **given, area=area)
    assert difference(ours, theirs) <= 1


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_a_hole_filled_by_an_edit_shows_what_its_pipeline_paints(client, started, strength):
    image = photo(6)
    asked = PLAIN | {"seed": 7, "protect": "none"}
    result = client(
        image, WHOLE, SCENE_LABELS=GRASS, strength=strength, **(asked | {"engine": "edit"})
    )
    report = client.report(result)
    floor = client(image, WHOLE, **(asked | {"engine": "patch"})).as_numpy("IMAGE")
    with edit_oracle.areas(384 * 384, AREA):
        pipeline = edit_oracle.load_pipeline(
            QwenImageEditInpaintPipeline, started.weights / "tiny-edit"
        )
        edit_oracle.show_as_plus(pipeline)
        theirs = edit_oracle.edit_by_pipeline(
            pipeline, [floor], prompt=report.prompt, negative=" ", steps=report.steps,
            guidance=report.guidance_scale, seed=7, size=(128, 128), mask=WHOLE, strength=strength,
        )  # fmt: skip
    assert (report.engine, report.guidance_scale) == ("edit", 4.0)
    hole, ours = WHOLE > 0, result.as_numpy("IMAGE")
    assert difference(ours[hole], theirs[hole]) <= 1
    np.testing.assert_array_equal(ours[~hole], image[~hole])


def filler(client: NeuralClient, engine: str, seed: int, steps: int) -> Callable[[], np.ndarray]:
    """A request that fills by an engine, to be called in a thread of its own."""
    given = PLAIN | {
        "engine": engine, "seed": seed, "steps": steps, "protect": "none", "preview_every": 0,
    }  # fmt: skip

    def fill() -> np.ndarray:
        return client(photo(seed), WHOLE, SCENE_LABELS=GRASS, **given).as_numpy("IMAGE")

    return fill


@pytest.mark.parametrize("chain", ["klein", pytest.param("edit", marks=pytest.mark.slow)])
def test_four_requests_at_once_share_batches_and_each_is_as_if_it_were_alone(
    client, neural_server, chain
):
    callers = [NeuralClient(neural_server.endpoints.grpc) for _ in range(4)]
    jobs = [filler(caller, chain, seed, steps=24) for seed, caller in enumerate(callers)]
    model = f"{chain}_transformer"
    before = client.statistics(model)
    together = at_once(jobs)
    after = client.statistics(model)
    steps = after.inference_count - before.inference_count
    assert steps >= 4 * 24 * 0.8
    # Their text encoders answer one after the other, so that not all of them begin together.
    assert steps / (after.execution_count - before.execution_count) > 1.5
    for job, answer in zip(jobs, together, strict=True):
        assert not isinstance(answer, Exception), answer
        assert difference(answer, job()) <= 1


def test_chains_in_flight_together_do_not_disturb_each_other(neural_server):
    wishes = [(engine, seed) for engine in ("flux", "klein", "edit") for seed in (0, 1)]
    callers = [NeuralClient(neural_server.endpoints.grpc) for _ in wishes]
    jobs = [
        filler(caller, engine, seed, steps=6)
        for caller, (engine, seed) in zip(callers, wishes, strict=True)
    ]
    together = at_once(jobs)
    for job, answer in zip(jobs, together, strict=True):
        assert not isinstance(answer, Exception), answer
        assert difference(answer, job()) <= 1
