"""One denoising step against diffusers' own module, batched and alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline

from pawfect.contract.errors import ErrorKind
from pawfect.flux.transformer import Transformer
from tests.refusals import refusal

GRID = (3, 4)
TEXT = 8


def step(seed: int, items: int = 1, grid: tuple[int, int] = GRID) -> dict:
    """Make the inputs of a step, each item at its own timestep and guidance."""
    rng = np.random.default_rng(seed)
    tokens = grid[0] * grid[1]
    return {
        "latents": rng.standard_normal((items, tokens, 64), np.float32),
        "condition": rng.standard_normal((items, tokens, 320), np.float32),
        "prompt_embeds": rng.standard_normal((items, TEXT, 64), np.float32).astype(np.float16),
        "pooled": rng.standard_normal((items, 32), np.float32).astype(np.float16),
        "timestep": rng.uniform(1, 1000, items).astype(np.float32),
        "guidance": rng.uniform(0, 50, items).astype(np.float32),
        "grid": grid,
    }


def by_diffusers(module: torch.nn.Module, given: dict) -> np.ndarray:
    """The velocity as diffusers' pipeline has its own module compute it."""
    tensors = {name: torch.tensor(given[name]).float() for name in given if name != "grid"}
    with torch.no_grad():
        return module(
            hidden_states=torch.cat((tensors["latents"], tensors["condition"]), dim=2),
            timestep=tensors["timestep"] / 1000,
            guidance=tensors["guidance"],
            pooled_projections=tensors["pooled"],
            encoder_hidden_states=tensors["prompt_embeds"],
            txt_ids=torch.zeros(TEXT, 3),
            img_ids=FluxFillPipeline._prepare_latent_image_ids(
                1, *given["grid"], "cpu", torch.float32
            ),
            return_dict=False,
        )[0].numpy()


@pytest.mark.parametrize("grid", [(3, 4), (4, 3), (1, 12)])
def test_a_step_equals_the_pipelines_call_of_the_module(parts, pipeline, grid):
    given = step(1, items=2, grid=grid)
    velocity = parts.transformer.velocity(**given)
    assert velocity.dtype == np.float32
    np.testing.assert_array_equal(velocity, by_diffusers(pipeline.transformer, given))


def test_a_batch_of_four_equals_its_items_one_by_one(parts):
    given = step(2, items=4)
    together = parts.transformer.velocity(**given)
    for item in range(4):
        alone = parts.transformer.velocity(
            **{name: v if name == "grid" else v[item : item + 1] for name, v in given.items()}
        )
        np.testing.assert_allclose(together[item : item + 1], alone, atol=2e-5)
    np.testing.assert_array_equal(together, parts.transformer.velocity(**given))


@pytest.mark.parametrize("name", ["latents", "condition", "prompt_embeds", "pooled"])
def test_every_input_reaches_the_velocity_of_its_own_item_only(parts, name):
    given = step(3, items=2)
    before = parts.transformer.velocity(**given)
    given[name] = given[name].copy()
    given[name][1] += 1
    after = parts.transformer.velocity(**given)
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[1] - before[1]).max() > 1e-3


def test_read_only_inputs_are_taken_and_left_alone(parts):
    given = step(4)
    copies = {name: np.copy(value) for name, value in given.items()}
    for name in set(given) - {"grid"}:
        given[name].setflags(write=False)
    parts.transformer.velocity(**given)
    for name, value in given.items():
        np.testing.assert_array_equal(value, copies[name])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near_single(flux_folder, parts, dtype):
    half = Transformer.load(flux_folder, device="cpu", dtype=dtype)
    given = step(5, items=2)
    # Exact in bfloat16, whose rounding of other timesteps and guidances is part of FLUX.
    given |= {"timestep": np.array([1000, 500], np.float32), "guidance": np.zeros(2, np.float32)}
    velocity = half.velocity(**given)
    assert velocity.dtype == np.float32
    spread = np.abs(velocity - parts.transformer.velocity(**given)).max()
    assert spread < {"float16": 0.03, "bfloat16": 0.3}[dtype]


GIVEN = step(6, items=2)
BROKEN = GIVEN["condition"].copy()
BROKEN[1, 2, 3] = np.nan


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"latents": GIVEN["latents"][..., :63]}, "LATENTS: expected shape [2, 12, 64]"),
        ({"latents": GIVEN["latents"][0]}, "LATENTS: expected shape"),
        ({"latents": GIVEN["latents"][:0]}, "LATENTS: expected shape"),
        ({"latents": GIVEN["latents"] * np.inf}, "LATENTS: expected finite"),
        ({"condition": GIVEN["condition"][:, :11]}, "CONDITION: expected shape [2, 12, 320]"),
        ({"condition": GIVEN["condition"][..., :64]}, "CONDITION: expected shape"),
        ({"condition": BROKEN}, "CONDITION: expected finite"),
        ({"prompt_embeds": GIVEN["prompt_embeds"][..., :7]}, "PROMPT_EMBEDS: expected shape"),
        ({"prompt_embeds": GIVEN["prompt_embeds"][:, :0]}, "PROMPT_EMBEDS: expected shape"),
        ({"prompt_embeds": GIVEN["pooled"]}, "PROMPT_EMBEDS: expected shape"),
        ({"pooled": GIVEN["pooled"][:1]}, "POOLED: expected shape [2, 32]"),
        ({"timestep": np.float32([500])}, "TIMESTEP: expected shape [2]"),
        ({"timestep": np.float32([500, 0])}, "TIMESTEP: expected above 0 to 1000, got 500, 0"),
        ({"timestep": np.float32([1000.5, 5])}, "TIMESTEP: expected above 0 to 1000"),
        ({"timestep": np.float32([np.nan, 5])}, "TIMESTEP: expected finite"),
        ({"guidance": np.float32([3, -1])}, "GUIDANCE: expected 0 to"),
        ({"guidance": np.float32([3, np.inf])}, "GUIDANCE: expected finite"),
        ({"grid": (4, 4)}, "LATENTS: expected 16 tokens for a grid of 4x4, got 12"),
        ({"grid": (-3, -4)}, "GRID: expected positive"),
    ],
)
def test_bad_inputs_are_named(parts, change, says):
    assert says in refusal(ErrorKind.INVALID_ARG, parts.transformer.velocity, **GIVEN | change)


def test_a_guidance_that_overflows_half_precision_is_refused_there_only(flux_folder, parts):
    given = GIVEN | {"guidance": np.float32([3, 66])}
    assert np.isfinite(parts.transformer.velocity(**given)).all()
    half = Transformer.load(flux_folder, device="cpu", dtype="float16")
    message = refusal(ErrorKind.INVALID_ARG, half.velocity, **given)
    assert "GUIDANCE: expected 0 to 65, got 3, 66" in message
    assert np.isfinite(half.velocity(**GIVEN | {"guidance": np.float32([0, 65])})).all()
