"""Modulation kept on the CPU: the plain module's velocities, and its weights off the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import QwenImageTransformer2DModel
from torch._dynamo.testing import CompileCounter

from pawfect.diffusion.schedule import read_schedule
from pawfect.qwen.chain import EDIT
from pawfect.qwen.modulation import Modulation
from pawfect.qwen.transformer import Transformer
from pawfect_export.tiny.edit import build
from tests.pawfect.qwen.test_transformer import GRID, GUIDED, HOW, LONG, PLAIN, by_diffusers, flows

STEPS = 6


@pytest.fixture(scope="module")
def checkpoints(folders, tmp_path_factory):
    """By name: of Qwen-Image-Edit, and of 2511, whose references are at time 0."""
    later = tmp_path_factory.mktemp("later")
    build(later, seed=1, sizes={"transformer": {"zero_cond_t": True}})
    return {"edit": folders["edit"], "2511": later}


@pytest.fixture
def cached(checkpoints):
    """Load one with its modulation on the CPU, and count its passes over the weights."""

    def load(name: str) -> tuple[Transformer, list[int]]:
        folder = checkpoints[name]
        schedule = read_schedule(folder, EDIT.shift)
        how = HOW | {"modulation": "cached", "schedule": schedule, "steps": STEPS}
        transformer, passes = Transformer.load(folder, **how), []
        transformer.modulation._embedder.register_forward_pre_hook(
            lambda _, given: passes.append(len(given[0]))
        )
        return transformer, passes

    return load


@pytest.mark.parametrize("name", ["edit", "2511"])
def test_a_batch_of_other_timesteps_and_texts_is_the_plain_modules(cached, checkpoints, name):
    ours, passes = cached(name)
    theirs = QwenImageTransformer2DModel.from_pretrained(
        checkpoints[name] / "transformer", torch_dtype=torch.float32, low_cpu_mem_usage=False
    )
    for again in (False, True):
        for flow, given in zip(
            flows(ours, GUIDED, PLAIN, LONG), (GUIDED, PLAIN, LONG), strict=True
        ):
            np.testing.assert_allclose(flow, by_diffusers(theirs, given), atol=2e-5)
        # Both branches of an item share a row; of 2511 all references share another.
        assert passes == [3 + (name == "2511")], f"again: {again}"


def test_one_pass_over_the_weights_serves_a_schedule_whatever_the_prompt(cached, checkpoints):
    ours, passes = cached("2511")
    schedule = read_schedule(checkpoints["2511"], EDIT.shift)
    timesteps = schedule.timesteps(schedule.sigmas(STEPS, GRID[0] * GRID[1]))[:-1]
    for given in (GUIDED, LONG):
        for timestep in timesteps:
            flows(ours, given | {"TIMESTEP": timestep[None]})
    # The schedule, and the references' time.
    assert passes == [STEPS + 1]


def test_what_is_dropped_is_computed_again(cached):
    ours, passes = cached("edit")
    before = flows(ours, GUIDED)[0]
    ours.free()
    np.testing.assert_array_equal(flows(ours, GUIDED)[0], before)
    assert passes == [1, 1]


def test_in_half_precision_it_is_no_further_from_single_than_the_layers_are(checkpoints):
    # Exact in bfloat16, whose rounding of other timesteps is part of the model.
    given, folder = GUIDED | {"TIMESTEP": np.float32([500])}, checkpoints["2511"]
    exact = flows(Transformer.load(folder, **HOW), given)[0]
    apart = [
        np.linalg.norm(flows(loaded, given)[0] - exact)
        for loaded in (
            Transformer.load(folder, device="cpu", dtype="bfloat16", modulation=modulation)
            for modulation in ("layers", "cached")
        )
    ]
    assert 0 < apart[1] <= 1.1 * apart[0]


def test_no_weight_of_it_goes_to_the_device(checkpoints):
    """The meta device stands for a GPU."""
    folder = checkpoints["edit"]
    whole = Transformer.load(folder, device="cpu", dtype="float16").module
    loaded = Transformer.load(folder, device="meta", dtype="float16", modulation="cached")
    kept = [*loaded.modulation._layers, loaded.modulation._embedder]
    assert {p.device.type for p in loaded.module.parameters()} == {"meta"}
    assert {p.device.type for layer in kept for p in layer.parameters()} == {"cpu"}
    counts = [
        sum(p.numel() for part in parts for p in part.parameters())
        for parts in ([loaded.module], kept, [whole])
    ]
    assert counts[0] + counts[1] == counts[2]


def test_of_the_full_sizes_weights_a_third_never_goes_to_the_device():
    with torch.device("meta"):
        module = QwenImageTransformer2DModel(out_channels=16)
    count = sum(p.numel() for p in module.parameters())
    modulation = Modulation(module, torch.bfloat16)
    left = sum(p.numel() for p in module.parameters())
    assert count - left == pytest.approx(6.83e9, rel=1e-3)
    assert left == pytest.approx(13.60e9, rel=1e-3)
    # A row of one step takes 4.4 MB in 16 bits.
    assert sum(modulation.widths) == 60 * 2 * 6 * 3072 + 2 * 3072 == 2_217_984


@pytest.mark.slow
def test_fed_blocks_compile_whole_and_to_as_few_graphs_as_those_with_layers(cached, checkpoints):
    graphs = {}
    layers = Transformer.load(checkpoints["2511"], **HOW)
    for name, transformer in (("layers", layers), ("cached", cached("2511")[0])):
        expected = flows(transformer, GUIDED)[0]
        torch._dynamo.reset()
        counter = CompileCounter()
        transformer.module.compile_repeated_blocks(fullgraph=True, backend=counter)
        np.testing.assert_array_equal(flows(transformer, GUIDED)[0], expected)
        graphs[name] = counter.frame_count
    torch._dynamo.reset()
    # None of the two blocks by itself.
    assert graphs == {"layers": 1, "cached": 1}
