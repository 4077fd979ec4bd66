"""Quantised FLUX files: the published names, weights that stay quantised, no half a model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.flux.gguf import QuantisedLinear, load_transformer, own_rows
from pawfect.flux.published_names import published_names
from pawfect.weights.checkpoint import load_strict
from pawfect_export.tiny.flux_gguf import QUANTISATIONS, build, joined, write

# The smallest with whole blocks of a K-quant (256 values) in every row that they quantise.
SMALL = {
    "patch_size": 1,
    "in_channels": 24,
    "out_channels": 8,
    "num_layers": 2,
    "num_single_layers": 2,
    "attention_head_dim": 64,
    "num_attention_heads": 4,
    "joint_attention_dim": 48,
    "pooled_projection_dim": 40,
    "guidance_embeds": True,
    "axes_dims_rope": (16, 24, 24),
}
F32 = gguf.GGMLQuantizationType.F32
# Bytes of one block, and where its fp16 scales lie in it (ggml's block_q4_K, q5_K and q6_K).
K_QUANTS = {"Q4_K": (144, (0, 2)), "Q5_K": (176, (0, 2)), "Q6_K": (210, (208,))}


def transformer(**changes: object) -> FluxTransformer2DModel:
    torch.manual_seed(0)
    module = FluxTransformer2DModel(**(SMALL | changes)).eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "norm_" in name and parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return module.requires_grad_(False)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    transformer().save_pretrained(folder / "transformer")
    return folder


@pytest.fixture(scope="module")
def made(source, tmp_path_factory) -> dict[str, Path]:
    folders = {}
    for quantisation in QUANTISATIONS:
        folders[quantisation] = tmp_path_factory.mktemp(quantisation)
        build(folders[quantisation], source, quantisation)
    for name in K_QUANTS:
        folders[name] = tmp_path_factory.mktemp(name)
        _build_random(folders[name], source, name)
    return folders


def _build_random(folder: Path, source: Path, name: str) -> None:
    """Write a file whose block weights are random blocks of a type that gguf cannot make."""
    kind = gguf.GGMLQuantizationType[name]
    size, scales = K_QUANTS[name]
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(folder / f"random-{name}.gguf", "flux")
    for tensor, value in joined(transformer().state_dict(), SMALL).items():
        if value.ndim == 2 and "_blocks." in tensor:
            count = value.shape[1] // 256
            blocks = rng.integers(0, 256, (value.shape[0], count, size), dtype=np.uint8)
            for at in scales:
                scale = rng.uniform(1e-5, 3e-5, (value.shape[0], count, 1)).astype(np.float16)
                blocks[..., at : at + 2] = scale.view(np.uint8)
            writer.add_tensor(tensor, blocks.reshape(value.shape[0], -1), raw_dtype=kind)
        else:
            # As published: the large layers around the blocks in half precision, the rest F32.
            half = (
                gguf.GGMLQuantizationType.F16 if name == "Q4_K" else gguf.GGMLQuantizationType.BF16
            )
            plain = half if value.ndim == 2 and value.shape[1] == 256 else F32
            writer.add_tensor(tensor, gguf.quants.quantize(value, plain), raw_dtype=plain)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    shutil.copytree(source / "transformer", folder / "transformer")


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
        "hidden_states": torch.randn(2, 12, 24, generator=generator),
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


@pytest.mark.parametrize("name", [*QUANTISATIONS, *K_QUANTS])
def test_the_weights_are_those_of_the_file_decoded(made, name):
    module = load_transformer(made[name], device="cpu", dtype="float32")
    expected = decoded_by_gguf(made[name])
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


@pytest.mark.parametrize("name", [*QUANTISATIONS, *K_QUANTS])
def test_it_computes_what_the_plain_module_does_with_the_decoded_weights(made, name):
    plain = transformer()
    load_strict(plain, decoded_by_gguf(made[name]), "plain", device="cpu", dtype=torch.float32)
    module = load_transformer(made[name], device="cpu", dtype="float32")
    assert relative(velocity(module), velocity(plain)) <= 1e-5


@pytest.mark.parametrize(("name", "error"), [("F32", 1e-6), ("Q8_0", 0.02), ("Q4_0", 0.3)])
def test_quantising_changes_the_result_no_more_than_its_bits_allow(made, name, error):
    module = load_transformer(made[name], device="cpu", dtype="float32")
    assert relative(velocity(module), velocity(transformer())) <= error


@pytest.mark.parametrize(("dtype", "error"), [("float16", 0.01), ("bfloat16", 0.05)])
@pytest.mark.parametrize("name", ["F32", "BF16", "Q4_0", "Q5_K", "Q8_0"])
def test_the_compute_dtype_is_the_one_asked_for(made, name, dtype, error):
    kind = getattr(torch, dtype)
    module = load_transformer(made[name], device="cpu", dtype=dtype)
    floating = {p.dtype for p in module.parameters() if p.is_floating_point()}
    assert floating == {kind}
    reference = load_transformer(made[name], device="cpu", dtype="float32")
    assert relative(velocity(module, kind), velocity(reference)) <= error


@pytest.mark.parametrize("name", ["Q4_0", "Q5_K", "Q8_0"])
def test_every_linear_layer_of_the_blocks_stays_quantised(made, name):
    module = load_transformer(made[name], device="cpu", dtype="float16")
    layers = [
        layer
        for blocks in (module.transformer_blocks, module.single_transformer_blocks)
        for layer in blocks.modules()
        if isinstance(layer, torch.nn.Linear)
    ]
    assert all(isinstance(layer, QuantisedLinear) for layer in layers)
    held = sum(layer.weight.numel() * layer.weight.element_size() for layer in layers)
    (path,) = made[name].glob("*.gguf")
    kind = gguf.GGMLQuantizationType[name]
    assert held == sum(t.n_bytes for t in gguf.GGUFReader(path).tensors if t.tensor_type == kind)
    assert not any(parameter.requires_grad for parameter in module.parameters())


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
        own |= dict(zip(parts, own_rows(name, published[name], sizes), strict=True))
    expected = convert_flux_transformer_checkpoint_to_diffusers(published)
    assert not published, "the converter takes every published name"
    assert own.keys() == expected.keys() == counts.keys()
    for name, rows in expected.items():
        torch.testing.assert_close(own[name], rows, rtol=0, atol=0)


def test_a_model_without_guidance_has_no_guidance_tensors(tmp_path):
    transformer(guidance_embeds=False).save_pretrained(tmp_path / "source" / "transformer")
    build(tmp_path / "made", tmp_path / "source", "Q8_0")
    (path,) = (tmp_path / "made").glob("*.gguf")
    assert not any("guidance" in tensor.name for tensor in gguf.GGUFReader(path).tensors)
    load_transformer(tmp_path / "made", device="cpu", dtype="float32")


def test_the_same_source_gives_the_same_bytes(source, made, tmp_path):
    build(tmp_path, source, "Q4_0")
    (first,), (second,) = made["Q4_0"].glob("*.gguf"), tmp_path.glob("*.gguf")
    assert first.read_bytes() == second.read_bytes()


def test_a_quantisation_that_gguf_cannot_make_is_refused(source, tmp_path):
    with pytest.raises(ValueError, match=r"expected one of F32, .*, got Q5_K"):
        build(tmp_path, source, "Q5_K")


def test_the_config_may_lie_beside_the_file(made, tmp_path):
    (path,) = made["Q8_0"].glob("*.gguf")
    shutil.copy(path, tmp_path)
    shutil.copy(made["Q8_0"] / "transformer" / "config.json", tmp_path)
    load_transformer(tmp_path, device="cpu", dtype="float32")


def refusal(folder: Path) -> str:
    with pytest.raises(PawfectError) as caught:
        load_transformer(folder, device="cpu", dtype="float32")
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert str(folder) not in caught.value.message
    return caught.value.message


@pytest.fixture
def copied(made, tmp_path) -> Path:
    folder = tmp_path / "flux"
    shutil.copytree(made["Q4_0"], folder)
    return folder


def rewrite(folder: Path, architecture: str = "flux", **changes: np.ndarray | None) -> None:
    """Write the folder's file anew with some tensors changed or left out."""
    (path,) = folder.glob("*.gguf")
    values = dict(joined(transformer().state_dict(), SMALL)) | changes
    kept = {name: value for name, value in values.items() if value is not None}
    write(path, kept, gguf.GGMLQuantizationType.Q4_0, architecture)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"img_in.bias": None}, "1 missing: img_in.bias"),
        ({"double_blocks.1.txt_attn.qkv.weight": None}, "1 missing: double_blocks.1.txt_attn.qkv"),
        ({"double_blocks.2.img_mod.lin.bias": np.ones(3, np.float32)}, "1 extra: double_blocks.2"),
        ({"img_in.bias": np.ones(255, np.float32)}, "1 mis-shaped: img_in.bias [255] for [256]"),
        (
            {"single_blocks.0.linear1.weight": np.ones((256, 1792), np.float32)},
            "1 mis-shaped: single_blocks.0.linear1.weight [256, 1792] for [1792, 256]",
        ),
        (
            {"double_blocks.0.img_attn.qkv.weight": np.ones((768, 512), np.float32)},
            "[768, 512] for [768, 256]",
        ),
    ],
)
def test_missing_extra_and_mis_shaped_tensors_are_named(copied, changes, expected):
    rewrite(copied, **changes)
    assert expected in refusal(copied)


def test_the_config_decides_the_sizes(copied):
    config = copied / "transformer" / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"num_layers": 3}))
    assert "24 missing: double_blocks.2" in refusal(copied)
    config.write_text(json.dumps(content | {"num_attention_heads": "many"}))
    assert "config.json: expected settings that build the module" in refusal(copied)
    config.write_text(json.dumps(content | {"_class_name": "SD3Transformer2DModel"}))
    assert "expected FluxTransformer2DModel, got SD3Transformer2DModel" in refusal(copied)
    config.unlink()
    assert "expected config.json" in refusal(copied)


@pytest.mark.parametrize("keep", [0, 3, 24, 2000, 0.5, 0.999])
def test_a_truncated_file_is_refused(copied, keep):
    (path,) = copied.glob("*.gguf")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    assert "expected GGUF, got a damaged file" in refusal(copied)


def test_another_format_under_the_name_of_gguf_is_refused(copied, source):
    (path,) = copied.glob("*.gguf")
    (weights,) = (source / "transformer").glob("*.safetensors")
    shutil.copy(weights, path)
    assert "expected GGUF, got a damaged file" in refusal(copied)
    torch.save({"a": torch.ones(1)}, path)
    assert "expected GGUF, got a damaged file" in refusal(copied)


def test_another_architecture_is_refused(copied):
    rewrite(copied, architecture="sd3")
    assert "expected flux, little-endian, got sd3, little-endian" in refusal(copied)


def test_a_type_that_nothing_here_decodes_is_refused(copied):
    (path,) = copied.glob("*.gguf")
    writer = gguf.GGUFWriter(path, "flux")
    blocks = np.zeros((4, 66), np.uint8)
    writer.add_tensor("img_in.weight", blocks, raw_dtype=gguf.GGMLQuantizationType.IQ2_XXS)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert "got IQ2_XXS" in refusal(copied)


def test_one_file_is_expected_neither_none_nor_two(copied):
    (path,) = copied.glob("*.gguf")
    shutil.copy(path, copied / "second.gguf")
    assert "expected one GGUF file, got flux1-fill-dev-Q4_0.gguf, second.gguf" in refusal(copied)
    path.unlink()
    (copied / "second.gguf").unlink()
    assert "expected one GGUF file, got none" in refusal(copied)
