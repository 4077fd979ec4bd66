"""The modulation from the CPU: the plain module's velocities, in few passes over its weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounter

from pawfect.diffusion.modulation import DECODED_ROWS, Moment
from pawfect.diffusion.schedule import Schedule, read_schedule
from pawfect.flux.modulation import Modulation
from pawfect.flux.transformer import Transformer
from tests.pawfect.flux.gguf_files import load_transformer
from tests.pawfect.flux.gguf_files import transformer as larger_module
from tests.pawfect.flux.test_transformer import GRID, by_diffusers, step

STEPS = 6


@pytest.fixture(scope="module")
def schedule(flux_folder) -> Schedule:
    return read_schedule(flux_folder)


@pytest.fixture
def cached(flux_folder, schedule) -> Transformer:
    return load(flux_folder, schedule)


def load(folder, schedule, dtype="float32") -> Transformer:
    return Transformer.load(
        folder, device="cpu", dtype=dtype, modulation="cached", schedule=schedule, steps=STEPS
    )


def error(got: np.ndarray, expected: np.ndarray) -> float:
    """Relative, in the Euclidean norm."""
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


def timesteps(schedule: Schedule, steps: int = STEPS) -> np.ndarray:
    return schedule.timesteps(schedule.sigmas(steps, GRID[0] * GRID[1]))[:-1]


@pytest.fixture
def passes(cached) -> list[int]:
    """For each pass over the weights, how many steps it was for."""
    counts: list[int] = []
    cached.modulation._embedder.register_forward_pre_hook(
        lambda _, args: counts.append(len(args[0]))
    )
    return counts


def test_a_batch_of_other_timesteps_guidances_and_prompts_is_the_plain_modules(
    cached, pipeline, schedule
):
    for seed in range(3):
        given = step(seed, items=4)
        given["timestep"][:2] = timesteps(schedule)[[1, 4]]
        given["pooled"][3], given["guidance"][3] = given["pooled"][0], given["guidance"][0]
        expected = by_diffusers(pipeline.transformer, given)
        assert error(cached.velocity(**given), expected) < 1e-6
        # From the rows that are kept now.
        assert error(cached.velocity(**given), expected) < 1e-6


def test_one_pass_over_the_weights_serves_a_prompt_for_its_whole_schedule(cached, passes, schedule):
    given = step(1, items=1)
    for timestep in timesteps(schedule):
        cached.velocity(**given | {"timestep": timestep[None]})
    assert passes == [STEPS]
    # Two other prompts at once share a pass.
    cached.velocity(**step(2, items=2) | {"timestep": timesteps(schedule)[:2]})
    assert passes == [STEPS, 2 * STEPS]


@pytest.mark.parametrize("steps", [5, 9])
def test_of_another_number_of_steps_the_second_pass_serves_all_that_are_left(
    cached, passes, schedule, steps
):
    given = step(1, items=1)
    for timestep in timesteps(schedule, steps):
        cached.velocity(**given | {"timestep": timestep[None]})
    # Pure noise is in every schedule, and so in the usual one.
    first, second = passes
    assert first == STEPS
    assert second <= steps - 1


def test_a_timestep_off_every_schedule_is_computed_alone(cached, passes, pipeline):
    given = step(3, items=1) | {"timestep": np.float32([123.25])}
    got = cached.velocity(**given)
    assert error(got, by_diffusers(pipeline.transformer, given)) < 1e-6
    cached.velocity(**given | {"timestep": np.float32([321.5])})
    assert passes == [1, 1]


@pytest.mark.parametrize("kept_rows", [0, 1, 3])
def test_any_bound_gives_the_same_velocities_and_is_held(
    flux_folder, cached, pipeline, schedule, kept_rows
):
    module = Transformer.load(flux_folder, device="cpu", dtype="float32").module
    row_bytes = 4 * sum(cached.modulation.widths)
    modulation = Modulation(module, torch.float32, kept_bytes=max(1, kept_rows * row_bytes))
    weights = modulation.nbytes
    bounded = Transformer(
        module, "cpu", torch.float32, modulation=modulation, schedule=schedule, steps=STEPS
    )
    for seed in range(2):
        given = step(seed, items=2) | {"timestep": timesteps(schedule)[:2]}
        got = bounded.velocity(**given)
        assert error(got, by_diffusers(pipeline.transformer, given)) < 1e-6
        assert modulation.nbytes - weights == kept_rows * row_bytes


def test_what_is_dropped_is_computed_again(cached, passes):
    given = step(4, items=2)
    before = cached.velocity(**given)
    cached.free()
    np.testing.assert_array_equal(cached.velocity(**given), before)
    assert passes == [2, 2]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_half_precision_it_is_no_further_from_single_than_the_layers_are(
    flux_folder, schedule, parts, dtype
):
    given = step(5, items=4)
    # Exact in bfloat16, whose rounding of other timesteps and guidances is part of FLUX.
    given |= {"timestep": np.float32([1000, 500, 250, 125]), "guidance": np.zeros(4, np.float32)}
    exact = parts.transformer.velocity(**given)
    layers = Transformer.load(flux_folder, device="cpu", dtype=dtype).velocity(**given)
    got = load(flux_folder, schedule, dtype).velocity(**given)
    assert 0 < error(got, exact) <= error(layers, exact)


def test_weights_stored_in_half_precision_are_decoded_exactly():
    torch.manual_seed(1)
    module = larger_module().bfloat16()
    exact = larger_module().float()
    exact.load_state_dict(module.state_dict())
    given = step(6, items=3)
    pooled = np.random.default_rng(0).standard_normal((3, 40), np.float32)
    moments = [
        Moment.of(*item) for item in zip(given["timestep"], given["guidance"], pooled, strict=True)
    ]
    few, whole = Modulation(module, torch.float32), Modulation(exact, torch.float32)
    assert max(few.widths) > 2 * DECODED_ROWS
    assert few.nbytes < 0.6 * whole.nbytes
    got, expected = few.rows(moments), whole.rows(moments)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("quantisation", ["F32", "Q4_0", "Q8_0"])
def test_quantised_layers_stay_quantised_and_give_the_same_rows(gguf_files, quantisation):
    layers = load_transformer(gguf_files[quantisation], device="cpu", dtype="float32")
    moved = load_transformer(
        gguf_files[quantisation], device="cpu", dtype="float16", apart=Modulation.apart
    )
    modulation = Modulation(moved, torch.float32)
    stored = modulation._layers[0].weight
    assert stored.dtype == (torch.float32 if quantisation == "F32" else torch.uint8)
    timestep, guidance = torch.tensor([999.0, 41.5]), torch.tensor([30.0, 3.5])
    pooled = torch.randn(2, 40, generator=torch.Generator().manual_seed(2))
    moments = [
        Moment.of(*item)
        for item in zip(timestep.tolist(), guidance.tolist(), pooled.numpy(), strict=True)
    ]
    with torch.no_grad():
        time = layers.time_text_embed(timestep / 1000 * 1000, guidance * 1000, pooled)
        expected = torch.cat(
            [
                layers.get_submodule(path)(torch.nn.functional.silu(time))
                for paths in Modulation.layers_of(layers)
                for path in paths
            ],
            dim=1,
        )
    assert error(modulation.rows(moments).numpy(), expected.numpy()) < 1e-6


@pytest.mark.slow
def test_fed_blocks_compile_whole_and_to_as_few_graphs_as_those_with_layers(
    flux_folder, schedule, cached
):
    given = step(8, items=2)
    graphs = {}
    layers = Transformer.load(flux_folder, device="cpu", dtype="float32")
    for name, transformer in (("layers", layers), ("cached", cached)):
        expected = transformer.velocity(**given)
        torch._dynamo.reset()
        counter = CompileCounter()
        transformer.module.compile_repeated_blocks(fullgraph=True, backend=counter)
        np.testing.assert_array_equal(transformer.velocity(**given), expected)
        transformer.velocity(**step(9, items=2))
        graphs[name] = counter.frame_count
    torch._dynamo.reset()
    # Both kinds of block at least, and none of the four blocks by itself.
    assert 2 <= graphs["cached"] <= graphs["layers"] < 4
