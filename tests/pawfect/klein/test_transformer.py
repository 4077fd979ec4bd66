"""One denoising step against the pipeline's call of diffusers' own module, batched and alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.attention import use_attention
from pawfect.diffusion.batch import answer_steps
from pawfect.diffusion.compiling import compile_blocks, repeated_blocks
from pawfect.klein.transformer import Transformer
from tests.klein_oracle import Tensors
from tests.pawfect.klein.conftest import step
from tests.short_memory import short_of_memory

REFERENCES = ((), ((3, 4),), ((2, 2), (4, 3), (1, 5)))


def by_diffusers(module: torch.nn.Module, given: Tensors) -> np.ndarray:
    """The velocity as the pipeline has its own module compute it, positions by its own methods."""
    tensors = {name: torch.tensor(array)[None].float() for name, array in given.items()}
    rows, columns = given["GRID"]
    own = Flux2KleinPipeline._prepare_latent_ids(torch.zeros(1, 128, rows, columns))
    ids = [own]
    hidden = [tensors["LATENTS"]]
    if "REFERENCES" in given:
        planes = [torch.zeros(1, 128, *grid) for grid in given["REFERENCE_GRIDS"]]
        ids.append(Flux2KleinPipeline._prepare_image_ids(planes))
        hidden.append(tensors["REFERENCES"])
    with torch.no_grad():
        flow = module(
            hidden_states=torch.cat(hidden, dim=1),
            timestep=tensors["TIMESTEP"][0] / 1000,
            guidance=None,
            encoder_hidden_states=tensors["PROMPT_EMBEDS"],
            txt_ids=Flux2KleinPipeline._prepare_text_ids(tensors["PROMPT_EMBEDS"]),
            img_ids=torch.cat(ids, dim=1),
            return_dict=False,
        )[0]
    return flow[0, : len(given["LATENTS"])].numpy()


def velocities(transformer: Transformer, items: list[Tensors]) -> list[np.ndarray]:
    answers = answer_steps(transformer, items)
    assert not any(isinstance(answer, PawfectError) for answer in answers), answers
    return [answer["VELOCITY"] for answer in answers]


@pytest.mark.parametrize("references", REFERENCES)
@pytest.mark.parametrize("grid", [(3, 4), (1, 12)])
def test_a_step_equals_the_pipelines_call_of_the_module(klein, pipeline, grid, references):
    given = step(1, grid, references)
    (velocity,) = velocities(klein.transformer, [given])
    assert velocity.dtype == np.float32
    np.testing.assert_array_equal(velocity, by_diffusers(pipeline.transformer, given))


@pytest.mark.parametrize("references", REFERENCES)
def test_four_steps_in_one_batch_are_as_one_by_one(klein, references):
    items = [step(seed, references=references) for seed in range(4)]
    with short_of_memory(klein.transformer.module.x_embedder, lambda shape: True) as shapes:
        together = velocities(klein.transformer, items)
    tokens = 12 + sum(rows * columns for rows, columns in references)
    assert shapes == [(4, tokens, 128)]
    for item, velocity in zip(items, together, strict=True):
        (alone,) = velocities(klein.transformer, [item])
        np.testing.assert_allclose(velocity, alone, rtol=0, atol=2e-5)


def test_steps_that_differ_in_a_size_are_batches_of_their_own(klein):
    plain, other_grid, turned = step(0), step(1, (2, 4)), step(2, (4, 3))
    referring = step(3, references=((2, 3),))
    turned_reference = step(4, references=((3, 2),))
    short = step(5, text=5)
    kinds = [plain, other_grid, turned, referring, turned_reference, short]
    items = [*kinds, step(6), step(7, references=((2, 3),))]
    with short_of_memory(klein.transformer.module.x_embedder, lambda shape: True) as shapes:
        together = velocities(klein.transformer, items)
    assert [shape[0] for shape in shapes] == [2, 1, 1, 2, 1, 1]
    for item, velocity in zip(items, together, strict=True):
        (alone,) = velocities(klein.transformer, [item])
        np.testing.assert_allclose(velocity, alone, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ["LATENTS", "PROMPT_EMBEDS", "REFERENCES", "TIMESTEP"])
def test_every_input_reaches_the_velocity_of_its_own_item_only(klein, name):
    items = [step(seed, references=((2, 3),)) for seed in range(2)]
    before = velocities(klein.transformer, items)
    items[1][name] = items[1][name] * np.float32(0.5)
    after = velocities(klein.transformer, items)
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[1] - before[1]).max() > 1e-3


def test_a_batch_that_does_not_fit_is_computed_in_parts_with_the_same_result(klein):
    items = [step(seed) for seed in range(3)]
    expected = velocities(klein.transformer, items)
    with short_of_memory(klein.transformer.module.proj_out, lambda shape: shape[0] == 1) as shapes:
        got = velocities(klein.transformer, items)
    assert [shape[0] for shape in shapes] == [3, 2, 1, 1, 1]
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5)


def test_read_only_inputs_are_taken_and_left_alone(klein):
    given = step(4, references=((2, 3),))
    copies = {name: array.copy() for name, array in given.items()}
    for array in given.values():
        array.setflags(write=False)
    velocities(klein.transformer, [given])
    for name, array in given.items():
        np.testing.assert_array_equal(array, copies[name])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near_single(klein_folder, klein, dtype):
    half = Transformer.load(klein_folder, device="cpu", dtype=dtype)
    # Exact in bfloat16, whose rounding of other timesteps is part of the module.
    given = step(5, references=((2, 3),)) | {"TIMESTEP": np.array([500], np.float32)}
    ours, exact = velocities(half, [given])[0], velocities(klein.transformer, [given])[0]
    assert ours.dtype == np.float32
    assert np.abs(ours - exact).max() < {"float16": 0.03, "bfloat16": 0.3}[dtype]


def test_its_attention_is_computed_as_the_profile_says(klein_folder):
    transformer = Transformer.load(klein_folder, device="cpu", dtype="float32")
    given = step(6, references=((2, 3),))
    expected = velocities(transformer, [given])
    use_attention(transformer.module, "math")
    np.testing.assert_allclose(velocities(transformer, [given]), expected, rtol=0, atol=2e-5)


@pytest.mark.slow
def test_each_kind_of_its_blocks_is_one_graph_with_the_same_result(klein_folder):
    transformer = Transformer.load(klein_folder, device="cpu", dtype="float32")
    given = step(6, references=((2, 3),))
    expected = velocities(transformer, [given])
    graphs = []

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compile_blocks(transformer.module, backend)
    np.testing.assert_allclose(velocities(transformer, [given]), expected, rtol=0, atol=2e-5)
    assert len(repeated_blocks(transformer.module)) == 4
    assert len(graphs) == 2


GIVEN = step(7, references=((2, 3),))
BROKEN = GIVEN["REFERENCES"].copy()
BROKEN[3, 2] = np.nan
GRIDS = np.int32([[2, 3]])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"LATENTS": GIVEN["LATENTS"][:, :64]}, "LATENTS: expected shape [-1, 128]"),
        ({"LATENTS": GIVEN["LATENTS"][None]}, "LATENTS: expected shape"),
        ({"LATENTS": GIVEN["LATENTS"][:0]}, "LATENTS: expected shape [T, 128], T above 0"),
        ({"LATENTS": GIVEN["LATENTS"] * np.inf}, "LATENTS: expected finite"),
        ({"LATENTS": None}, "LATENTS: expected FP32 [-1, 128], got nothing"),
        ({"PROMPT_EMBEDS": GIVEN["PROMPT_EMBEDS"][:, :95]}, "PROMPT_EMBEDS: expected shape"),
        ({"PROMPT_EMBEDS": GIVEN["PROMPT_EMBEDS"][:0]}, "PROMPT_EMBEDS: expected shape [T, 96]"),
        ({"PROMPT_EMBEDS": GIVEN["PROMPT_EMBEDS"] * np.float16(np.nan)}, "PROMPT_EMBEDS: expected"),
        ({"TIMESTEP": np.float32([0])}, "TIMESTEP: expected above 0 to 1000, got 0"),
        ({"TIMESTEP": np.float32([1000.5])}, "TIMESTEP: expected above 0 to 1000"),
        ({"TIMESTEP": np.float32([np.nan])}, "TIMESTEP: expected finite"),
        ({"GRID": np.int32([4, 4])}, "LATENTS: expected 16 tokens for a grid of 4x4, got 12"),
        ({"GRID": np.int32([-3, -4])}, "GRID: expected positive"),
        ({"REFERENCES": None}, "REFERENCES, REFERENCE_GRIDS: expected both or neither"),
        ({"REFERENCE_GRIDS": None}, "REFERENCES, REFERENCE_GRIDS: expected both or neither"),
        ({"REFERENCES": GIVEN["REFERENCES"][:5]}, "REFERENCES: expected 6 tokens for grids"),
        ({"REFERENCES": GIVEN["REFERENCES"][:, :64]}, "REFERENCES: expected shape [-1, 128]"),
        ({"REFERENCES": BROKEN}, "REFERENCES: expected finite"),
        ({"REFERENCE_GRIDS": GRIDS[0]}, "REFERENCE_GRIDS: expected shape [-1, 2]"),
        ({"REFERENCE_GRIDS": GRIDS[:0]}, "REFERENCE_GRIDS: expected positive rows and columns"),
        ({"REFERENCE_GRIDS": -GRIDS}, "REFERENCE_GRIDS: expected positive rows and columns"),
        ({"REFERENCE_GRIDS": np.int32([[2, 2]])}, "REFERENCES: expected 4 tokens"),
        ({"REFERENCE_GRIDS": np.int32([[65536, 65536]])}, "REFERENCES: expected 4294967296 tokens"),
    ],
)
def test_bad_tensors_are_named_and_fail_nobody_else(klein, change, says):
    bad = {name: array for name, array in (GIVEN | change).items() if array is not None}
    wrong, right = answer_steps(klein.transformer, [bad, GIVEN])
    assert isinstance(wrong, PawfectError)
    assert wrong.kind is ErrorKind.INVALID_ARG
    assert says in wrong.message
    assert isinstance(right, dict)
