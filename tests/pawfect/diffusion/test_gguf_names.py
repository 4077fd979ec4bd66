"""GGUF files of FLUX.2 and Qwen-Image: the published names, read as diffusers reads them."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

from pawfect.contract.errors import ErrorKind
from pawfect.diffusion.gguf import QuantisedLinear
from pawfect.diffusion.quantised.scheme import quantised_layers
from pawfect_export.quantisable import find_module
from pawfect_export.tiny.gguf_file import build, joined, write
from tests.pawfect.diffusion.tiny_chains import TINY, relative
from tests.refusals import refusal

ARCHITECTURES = {"tiny-klein": "flux", "tiny-edit": "qwen_image"}
Tensors = dict[str, torch.Tensor]


def stored(path: Path) -> dict[str, np.ndarray]:
    """Return a file's tensors by their published names, decoded by the gguf package."""
    return {
        tensor.name: np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32)
        for tensor in gguf.GGUFReader(path).tensors
    }


def by_diffusers(module: torch.nn.Module, path: Path) -> Tensors:
    """Return a file's tensors by the names, and as the rows, that diffusers' converter has."""
    convert = SINGLE_FILE_LOADABLE_CLASSES[type(module).__name__]["checkpoint_mapping_fn"]
    converted = convert({name: torch.from_numpy(value) for name, value in stored(path).items()})
    return {name: torch.as_tensor(value) for name, value in converted.items()}


def decoded(module: torch.nn.Module) -> Tensors:
    """Return the tensors of a module, quantised weights decoded."""
    tensors = dict(module.named_parameters())
    for name, layer in module.named_modules():
        if isinstance(layer, QuantisedLinear):
            tensors[f"{name}.weight"] = layer.decoded_rows(0, layer.out_features)
    return tensors


@pytest.mark.parametrize("quantisation", ["F32", "Q8_0", "Q4_0"])
@pytest.mark.parametrize("name", TINY)
def test_the_weights_are_those_that_diffusers_converter_makes_of_the_file(
    tiny_chains, tmp_path, name, quantisation
):
    build(tmp_path, tiny_chains.root / name, quantisation, name="model")
    loaded = TINY[name].load(tmp_path)
    assert loaded.arithmetic == "GGUF by diffusers"
    expected = by_diffusers(loaded.module, tmp_path / f"model-{quantisation}.gguf")
    own = decoded(loaded.module)
    assert own.keys() == expected.keys()
    for tensor, value in expected.items():
        torch.testing.assert_close(own[tensor], value, rtol=1e-6, atol=1e-7, msg=tensor)


@pytest.mark.parametrize(("quantisation", "error"), [("F32", 1e-6), ("Q8_0", 0.01), ("Q4_0", 0.1)])
@pytest.mark.parametrize("name", TINY)
def test_the_velocity_is_as_close_to_the_plain_ones_as_the_bits_allow(
    tiny_chains, tmp_path, name, quantisation, error
):
    chain = TINY[name]
    build(tmp_path, tiny_chains.root / name, quantisation, name="model")
    plain = chain.velocity(chain.load(tiny_chains.root / name))
    assert relative(chain.velocity(chain.load(tmp_path)), plain) <= error


@pytest.mark.parametrize("name", TINY)
def test_every_linear_layer_that_we_quantise_stays_quantised(tiny_chains, tmp_path, name):
    build(tmp_path, tiny_chains.root / name, "Q4_0", name="model")
    inner = tiny_chains.root / name / "transformer"
    wanted = set(quantised_layers(find_module(inner).build(inner), "q4_0"))
    module = TINY[name].load(tmp_path, "float16").module
    kept = {path for path, layer in module.named_modules() if isinstance(layer, QuantisedLinear)}
    assert wanted <= kept
    # Files quantise the modulation inside the blocks too, which is small in them.
    assert all("mod" in path for path in kept - wanted)


@pytest.mark.parametrize("name", TINY)
def test_a_file_that_names_no_architecture_is_known_by_its_tensors(
    tiny_chains, tmp_path, monkeypatch, name
):
    inner = tiny_chains.root / name / "transformer"
    kind = find_module(inner)
    module = kind.build(inner)
    values = joined(kind.read(inner, module), module, kind.published)
    (tmp_path / "config.json").write_bytes((inner / "config.json").read_bytes())
    with monkeypatch.context() as patch:
        # The package's own writer always says one.
        patch.setattr(gguf.GGUFWriter, "add_architecture", lambda writer: None)
        write(tmp_path / "model.gguf", values, gguf.GGMLQuantizationType.F32, "")
    assert gguf.GGUFReader(tmp_path / "model.gguf").get_field("general.architecture") is None
    TINY[name].load(tmp_path)
    write(tmp_path / "model.gguf", values, gguf.GGMLQuantizationType.F32, architecture="sd3")
    message = refusal(ErrorKind.UNAVAILABLE, TINY[name].load, tmp_path)
    assert f"expected {ARCHITECTURES[name]}, little-endian, got sd3" in message
    del values[next(iter(values))]
    write(tmp_path / "model.gguf", values, gguf.GGMLQuantizationType.F32, ARCHITECTURES[name])
    assert "got 1 missing" in refusal(ErrorKind.UNAVAILABLE, TINY[name].load, tmp_path)
