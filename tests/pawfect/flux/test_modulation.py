"""The modulation from the CPU: the plain module's velocities, and no weight of it on the device."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from torch._dynamo.testing import CompileCounter
from torch.utils._python_dispatch import TorchDispatchMode

from pawfect.flux.gguf import load_transformer
from pawfect.flux.modulation import DECODED_ROWS, Modulation, Moment, apart, layers_of
from pawfect.flux.schedule import Schedule, read_schedule
from pawfect.flux.transformer import Transformer
from pawfect.weights.checkpoint import is_below
from pawfect_export.tiny.flux_gguf import build as build_gguf
from tests.pawfect.flux.test_gguf import transformer as larger_module
from tests.pawfect.flux.test_transformer import GRID, TEXT, step

STEPS = 6
# FLUX.1-Fill-dev's own sizes.
FULL = {
    "in_channels": 384,
    "out_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
}


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


def plain(module: torch.nn.Module, given: dict) -> np.ndarray:
    """The velocity as diffusers' own module computes it."""
    tensors = {name: torch.tensor(given[name]).float() for name in given if name != "grid"}
    rows, columns = (torch.arange(side) for side in given["grid"])
    positions = torch.cartesian_prod(torch.zeros(1, dtype=torch.int64), rows, columns)
    with torch.no_grad():
        return module(
            hidden_states=torch.cat((tensors["latents"], tensors["condition"]), dim=2),
            timestep=tensors["timestep"] / 1000,
            guidance=tensors["guidance"],
            pooled_projections=tensors["pooled"],
            encoder_hidden_states=tensors["prompt_embeds"],
            txt_ids=torch.zeros(TEXT, 3),
            img_ids=positions.float(),
            return_dict=False,
        )[0].numpy()


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
        expected = plain(pipeline.transformer, given)
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
    assert error(got, plain(pipeline.transformer, given)) < 1e-6
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
        assert error(got, plain(pipeline.transformer, given)) < 1e-6
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
def test_quantised_layers_stay_quantised_and_give_the_same_rows(tmp_path, quantisation):
    larger_module().save_pretrained(tmp_path / "source" / "transformer")
    build_gguf(tmp_path / "made", tmp_path / "source", quantisation)
    layers = load_transformer(tmp_path / "made", device="cpu", dtype="float32")
    moved = load_transformer(tmp_path / "made", device="cpu", dtype="float16", apart=apart)
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
                for paths in layers_of(layers)
                for path in paths
            ],
            dim=1,
        )
    assert error(modulation.rows(moments).numpy(), expected.numpy()) < 1e-6


def test_a_quantised_file_moves_all_but_the_modulation_to_the_device(tmp_path):
    larger_module().save_pretrained(tmp_path / "source" / "transformer")
    build_gguf(tmp_path / "made", tmp_path / "source", "Q8_0")
    away = apart(larger_module())
    with Moves("meta") as moves:
        module = load_transformer(tmp_path / "made", device="meta", dtype="float16", apart=apart)
    names = {name: is_below(name, away) for name, _ in module.named_parameters()}
    assert len(moves.sizes) == len(names) - sum(names.values()) > 0
    for name, parameter in module.named_parameters():
        assert parameter.device.type == ("cpu" if names[name] else "meta"), name


class Doubled(torch.nn.Module):
    """A layer of a form that nobody here knows."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.out_features = layer.out_features

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return 2 * self.layer(inputs)


def test_a_layer_may_be_any_module(flux_folder, schedule):
    module = Transformer.load(flux_folder, device="cpu", dtype="float32").module
    path = "single_transformer_blocks.1.norm.linear"
    module.set_submodule(path, Doubled(module.get_submodule(path)))
    given = step(7, items=2)
    expected = plain(module, given)
    modulation = Modulation(module, torch.float32)
    got = Transformer(module, "cpu", torch.float32, modulation=modulation).velocity(**given)
    assert error(got, expected) < 1e-6


class Moves(TorchDispatchMode):
    """Records the shapes of what goes to a device."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.sizes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        copies = func is torch.ops.aten._to_copy.default
        if copies and args[0].device.type != self.device == result.device.type:
            self.sizes.append(tuple(result.shape))
        return result


def test_loading_moves_all_but_the_modulation_to_the_device(flux_folder, schedule):
    """The meta device stands for a GPU: what goes there is told by its own `to`."""
    whole = Transformer.load(flux_folder, device="cpu", dtype="float16").module
    away = apart(whole)
    shapes = Counter(
        tuple(tensor.shape)
        for name, tensor in whole.state_dict().items()
        if not is_below(name, away)
    )
    with Moves("meta") as moves:
        loaded = Transformer.load(
            flux_folder, device="meta", dtype="float16", modulation="cached", schedule=schedule
        )
    # Nothing else, not even for a moment, and each once.
    assert Counter(moves.sizes) == shapes
    assert {p.device.type for p in loaded.module.parameters()} == {"meta"}
    assert {p.dtype for p in loaded.module.parameters()} == {torch.float16}
    kept = [*loaded.modulation._layers, loaded.modulation._embedder]
    assert {p.device.type for layer in kept for p in layer.parameters()} == {"cpu"}
    on_device = sum(p.numel() for p in loaded.module.parameters())
    on_cpu = sum(p.numel() for layer in kept for p in layer.parameters())
    assert on_device + on_cpu == sum(p.numel() for p in whole.parameters())


def test_of_the_full_sizes_weights_a_quarter_never_goes_to_the_device():
    with torch.device("meta"):
        module = FluxTransformer2DModel(**FULL)
    count = sum(p.numel() for p in module.parameters())
    assert count == pytest.approx(11.90e9, rel=1e-3)
    layers = sum(
        p.numel()
        for paths in layers_of(module)
        for path in paths
        for p in module.get_submodule(path).parameters()
    )
    blocks = layers - sum(p.numel() for p in module.norm_out.linear.parameters())
    assert blocks == pytest.approx(3.23e9, rel=1e-3)
    embedder = sum(p.numel() for p in module.time_text_embed.parameters())
    modulation = Modulation(module, torch.float16)
    assert sum(p.numel() for p in module.parameters()) == count - layers - embedder
    assert sum(modulation.widths) == 1_056_768
    # A row of one step in 16 bits, and so 17 MB for 8 steps.
    assert 8 * 2 * sum(modulation.widths) == pytest.approx(17e6, rel=0.01)


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
