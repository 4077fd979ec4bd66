"""Quantised FLUX files: the published names, weights that stay quantised, no half a model."""

from __future__ import annotations

import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect.diffusion.gguf import QuantisedLinear, own_rows
from pawfect.flux.gguf import PUBLISHED
from pawfect.flux.published_names import halves_swapped, published_names
from pawfect.weights.checkpoint import load_strict
from pawfect_export.tiny.gguf_file import QUANTISATIONS, build
from tests.pawfect.flux.gguf_files import K_QUANTS, MIXES, load_transformer, transformer


def decoded_by_gguf(folder: Path) -> dict[str, torch.Tensor]:
    """Decode a file with the gguf package and name its rows as diffusers does, by hand."""
    (path,) = folder.glob("*.gguf")
    values = {
        tensor.name: torch.from_numpy(
            np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32)
        )
        for tensor in gguf.GGUFReader(path).tensors
    }
    shapes = {name: t.shape for name, t in transformer().state_dict().items()}
    own = {}
    for name, parts in published_names(2, 2, guidance=True).items():
        rows = values.pop(name)
        if name.startswith("final_layer.adaLN_modulation"):
            rows = torch.roll(rows, rows.shape[0] // 2, 0)
        for part in parts:
            own[part], rows = rows[: shapes[part][0]], rows[shapes[part][0] :]
    assert not values
    return own


def inputs(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.zeros(12, 3)
    ids[:, 1], ids[:, 2] = torch.arange(12) // 4, torch.arange(12) % 4
    values = {
        "hidden_states": torch.randn(2, 12, 384, generator=generator),
        "encoder_hidden_states": torch.randn(2, 5, 48, generator=generator),
        "pooled_projections": torch.randn(2, 40, generator=generator),
        "timestep": torch.tensor([0.9, 0.1]),
        "guidance": torch.tensor([30.0, 3.5]),
    }
    typed = {name: value.to(dtype) for name, value in values.items()}
    return typed | {"img_ids": ids, "txt_ids": torch.zeros(5, 3)}


def velocity(module: FluxTransformer2DModel, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    with torch.inference_mode():
        return module(**inputs(dtype), return_dict=False)[0].float()


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", [*QUANTISATIONS, *K_QUANTS, *MIXES])
def test_weights_and_results_are_those_of_the_file_decoded(gguf_files, name):
    module = load_transformer(gguf_files[name], device="cpu", dtype="float32")
    expected = decoded_by_gguf(gguf_files[name])
    plain = transformer()
    load_strict(plain, expected, "plain", device="cpu", dtype=torch.float32)
    assert relative(velocity(module), velocity(plain)) <= 1e-5
    for parameter_name, parameter in module.named_parameters():
        path, _, leaf = parameter_name.rpartition(".")
        owner = module.get_submodule(path)
        got = parameter.data
        if isinstance(owner, QuantisedLinear) and leaf == "weight":
            eye = torch.eye(owner.in_features)
            bias = 0 if owner.bias is None else owner.bias
            got = (owner(eye) - bias).T
            torch.testing.assert_close(got, expected.pop(parameter_name), rtol=1e-6, atol=1e-7)
        else:
            torch.testing.assert_close(got, expected.pop(parameter_name), rtol=0, atol=0)
    assert not expected


@pytest.mark.parametrize(("name", "error"), [("F32", 1e-6), ("Q8_0", 0.02), ("Q4_0", 0.3)])
def test_quantising_changes_the_result_no_more_than_its_bits_allow(gguf_files, name, error):
    module = load_transformer(gguf_files[name], device="cpu", dtype="float32")
    assert relative(velocity(module), velocity(transformer())) <= error


@pytest.mark.parametrize(("dtype", "error"), [("float16", 0.01), ("bfloat16", 0.07)])
@pytest.mark.parametrize("name", ["F32", "BF16", "Q4_0", "Q5_K", "Q8_0"])
def test_the_compute_dtype_is_the_one_asked_for(gguf_files, name, dtype, error):
    kind = getattr(torch, dtype)
    module = load_transformer(gguf_files[name], device="cpu", dtype=dtype)
    floating = {p.dtype for p in module.parameters() if p.is_floating_point()}
    assert floating == {kind}
    reference = load_transformer(gguf_files[name], device="cpu", dtype="float32")
    assert relative(velocity(module, kind), velocity(reference)) <= error


@pytest.mark.parametrize("name", ["Q4_0", "Q5_K", "Q8_0"])
def test_every_linear_layer_of_the_blocks_stays_quantised(gguf_files, name):
    module = load_transformer(gguf_files[name], device="cpu", dtype="float16")
    layers = [
        layer
        for blocks in (module.transformer_blocks, module.single_transformer_blocks)
        for layer in blocks.modules()
        if isinstance(layer, torch.nn.Linear)
    ]
    assert all(isinstance(layer, QuantisedLinear) for layer in layers)
    held = sum(layer.weight.numel() * layer.weight.element_size() for layer in layers)
    (path,) = gguf_files[name].glob("*.gguf")
    kind = gguf.GGMLQuantizationType[name]
    assert held == sum(t.n_bytes for t in gguf.GGUFReader(path).tensors if t.tensor_type == kind)
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_a_mix_keeps_each_layer_in_its_own_type(gguf_files):
    (path,) = gguf_files["Q5_K_M"].glob("*.gguf")
    stored = {t.tensor_type.name: 0 for t in gguf.GGUFReader(path).tensors if t.n_bytes}
    assert set(MIXES["Q5_K_M"]) < set(stored)
    module = load_transformer(gguf_files["Q5_K_M"], device="cpu", dtype="float16")
    kinds = {
        name: layer.weight.quant_type.name
        for name, layer in module.named_modules()
        if isinstance(layer, QuantisedLinear)
    }
    assert set(kinds.values()) == set(MIXES["Q5_K_M"])
    # The last of each feed-forward, and a single block's one layer out.
    six = {name for name, kind in kinds.items() if kind == "Q6_K"}
    assert six == {
        name for name in kinds if name.endswith((".net.2", "proj_out")) and "blocks" in name
    }


def test_the_names_and_rows_are_those_of_diffusers_converter():
    # Its inner dimension is 3072: full rows, but one column, since it only ever splits rows. Every
    # row has a number of its own.
    with torch.device("meta"):
        module = FluxTransformer2DModel(in_channels=384, out_channels=64, guidance_embeds=True)
    counts = {name: tensor.shape[0] for name, tensor in module.state_dict().items()}
    published, at = {}, 0
    for name, parts in published_names(19, 38, guidance=True).items():
        rows = sum(counts[part] for part in parts)
        published[name] = torch.arange(at, at + rows).unsqueeze(1)
        at += rows
    own = {}
    for name, parts in published_names(19, 38, guidance=True).items():
        sizes = [counts[part] for part in parts]
        rows = own_rows(published[name], sizes, swapped=halves_swapped(name))
        own |= dict(zip(parts, rows, strict=True))
    expected = convert_flux_transformer_checkpoint_to_diffusers(published)
    assert not published, "the converter takes every published name"
    assert own.keys() == expected.keys() == counts.keys()
    for name, rows in expected.items():
        torch.testing.assert_close(own[name], rows, rtol=0, atol=0)


def test_a_model_without_guidance_has_no_guidance_tensors():
    module = transformer(guidance_embeds=False)
    parts = PUBLISHED.parts(module)
    assert not any("guidance" in name for name in parts)
    assert {part for own in parts.values() for part in own} == module.state_dict().keys()


def test_the_same_source_gives_the_same_bytes_or_the_same_refusal(
    gguf_source, gguf_files, tmp_path
):
    build(tmp_path, gguf_source, "Q4_0")
    (first,), (second,) = gguf_files["Q4_0"].glob("*.gguf"), tmp_path.glob("*.gguf")
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(ValueError, match=r"expected one of F32, .*, got Q5_K"):
        build(tmp_path, gguf_source, "Q5_K")


def test_the_config_may_lie_beside_the_file(gguf_files, tmp_path):
    (path,) = gguf_files["Q8_0"].glob("*.gguf")
    shutil.copy(path, tmp_path)
    shutil.copy(gguf_files["Q8_0"] / "transformer" / "config.json", tmp_path)
    load_transformer(tmp_path, device="cpu", dtype="float32")
