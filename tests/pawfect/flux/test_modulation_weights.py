"""The modulation's weights: none of them goes to the device, all others do."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from torch.utils._python_dispatch import TorchDispatchMode

from pawfect.flux.modulation import Modulation
from pawfect.flux.transformer import Transformer
from pawfect.weights.checkpoint import is_below
from tests.pawfect.flux.gguf_files import load_transformer
from tests.pawfect.flux.gguf_files import transformer as larger_module


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


def test_a_quantised_file_moves_all_but_the_modulation_to_the_device(gguf_files):
    away = Modulation.apart(larger_module())
    with Moves("meta") as moves:
        module = load_transformer(
            gguf_files["Q8_0"], device="meta", dtype="float16", apart=Modulation.apart
        )
    names = {name: is_below(name, away) for name, _ in module.named_parameters()}
    assert len(moves.sizes) == len(names) - sum(names.values()) > 0
    for name, parameter in module.named_parameters():
        assert parameter.device.type == ("cpu" if names[name] else "meta"), name


def test_loading_moves_all_but_the_modulation_to_the_device(flux_folder):
    """The meta device stands for a GPU: what goes there is told by its own `to`."""
    whole = Transformer.load(flux_folder, device="cpu", dtype="float16").module
    away = Modulation.apart(whole)
    shapes = Counter(
        tuple(tensor.shape)
        for name, tensor in whole.state_dict().items()
        if not is_below(name, away)
    )
    with Moves("meta") as moves:
        loaded = Transformer.load(flux_folder, device="meta", dtype="float16", modulation="cached")
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
        module = FluxTransformer2DModel(in_channels=384, out_channels=64, guidance_embeds=True)
    count = sum(p.numel() for p in module.parameters())
    layers = sum(
        p.numel()
        for paths in Modulation.layers_of(module)
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
