"""Checkpoints that are not klein's are refused; the full-size classes are of the published size.

Configs and counts of the full size: black-forest-labs/FLUX.2-klein-4B. No published list of names
and shapes stands behind them: the names are the classes' own, as the tiny checkpoint has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pawfect.contract.errors import ErrorKind
from pawfect.klein import text, transformer, vae
from pawfect.weights.checkpoint import read_tensors
from pawfect_export.tiny import klein as tiny
from tests.refusals import refusal

# What of each module's config is larger in the published model.
FULL = {
    "transformer": {
        "attention_head_dim": 128,
        "axes_dims_rope": [32, 32, 32, 32],
        "joint_attention_dim": 7680,
        "num_attention_heads": 24,
        "num_layers": 5,
        "num_single_layers": 20,
    },
    "vae": {
        "block_out_channels": [128, 256, 512, 512],
        "layers_per_block": 2,
        "norm_num_groups": 32,
    },
    "text_encoder": {
        "head_dim": 128,
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "layer_types": ["full_attention"] * 36,
        "max_window_layers": 36,
        "num_attention_heads": 32,
        "num_hidden_layers": 36,
        "num_key_value_heads": 8,
        "vocab_size": 151_936,
    },
}
BUILT: dict[str, tuple[Callable[[Path], torch.nn.Module], dict, str]] = {
    "transformer": (transformer.build_module, dict(tiny.TRANSFORMER), "diffusion_pytorch_model"),
    "vae": (vae.build_module, dict(tiny.VAE), "diffusion_pytorch_model"),
    "text_encoder": (text.build_encoder, dict(tiny.QWEN3), "model"),
}
# In 16 bits the transformer takes 7.75 GB; in 32 the VAE 336 MB. Of Qwen3-4B's 4.02 billion what is
# loaded: the embedding and 27 of 36 layers.
PARAMETERS = {"transformer": 3_875_544_576, "vae": 84_046_115, "text_encoder": 3_114_088_192}


def full_size(name: str, folder: Path) -> torch.nn.Module:
    build, config, _ = BUILT[name]
    (folder / "config.json").write_text(json.dumps(config | FULL[name]))
    return build(folder)


@pytest.mark.parametrize("name", BUILT)
def test_the_full_size_class_has_the_published_parameters(name, tmp_path):
    module = full_size(name, tmp_path)
    assert all(parameter.is_meta for parameter in module.parameters())
    assert sum(parameter.numel() for parameter in module.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", BUILT)
def test_the_tiny_checkpoint_has_the_full_size_classs_names(name, klein_folder, tmp_path):
    module = full_size(name, tmp_path)
    folder = klein_folder / name
    left_out = text.left_out(BUILT[name][0](folder)) if name == "text_encoder" else ()
    names = read_tensors(folder, BUILT[name][2], under="model.", beside=left_out)
    own = module.state_dict()
    # Fewer blocks of each kind, and of the same parts each.
    assert set(names) <= set(own)
    assert {numberless(name) for name in names} == {numberless(name) for name in own}


def numberless(name: str) -> str:
    return re.sub(r"\.\d+\.", ".N.", name)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("transformer", {"guidance_embeds": True}, "guidance_embeds: expected False, got True"),
        ("transformer", {"in_channels": 64}, "in_channels: expected 128, got 64"),
        ("transformer", {"out_channels": 64}, "expected 128 values for each token, got 64"),
        ("transformer", {"_class_name": "FluxTransformer2DModel"}, "expected Flux2Transformer2DM"),
        ("transformer", {"num_attention_heads": "four"}, "expected settings that build"),
        ("vae", {"latent_channels": 16}, "latent_channels: expected 32, got 16"),
        ("vae", {"_class_name": "AutoencoderKL"}, "expected AutoencoderKLFlux2"),
        ("vae", {"patch_size": [1, 1]}, "statistics of 128 channels"),
        ("vae", {"block_out_channels": [16, 32, 32]}, "expected"),
    ],
)
def test_another_models_config_is_unavailable(tmp_path, name, change, says):
    build, config, _ = BUILT[name]
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    assert says in refusal(ErrorKind.UNAVAILABLE, build, tmp_path)


@pytest.mark.parametrize(
    ("part", "load"), [("transformer", transformer.Transformer.load), ("vae", vae.Vae.load)]
)
def test_a_tensor_too_few_or_too_many_is_named(copied, part, load):
    how = {"device": "cpu", "dtype": "float32"} | ({"tile_px": 0} if part == "vae" else {})
    file = copied / part / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    some = sorted(tensors)[len(tensors) // 2]
    for changed, says in (
        ({name: tensor for name, tensor in tensors.items() if name != some}, f"1 missing: {some}"),
        (tensors | {"one.more": torch.zeros(1)}, "1 extra: one.more"),
        (tensors | {some: torch.zeros(3, 5, 7)}, f"1 mis-shaped: {some}"),
    ):
        save_file(changed, file)
        assert says in refusal(ErrorKind.UNAVAILABLE, load, copied, **how)
