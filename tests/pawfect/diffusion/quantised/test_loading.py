"""Quantised transformers from folders: recognised, whole or not at all, close to the plain one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import load_file, save_file

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.batch import answer_steps
from pawfect.diffusion.quantised.ggml import BlockLinear
from pawfect.diffusion.quantised.int4 import Int4Linear
from pawfect.diffusion.quantised.int8 import Int8Linear
from pawfect.diffusion.quantised.scheme import SCHEMES, Recipe
from pawfect.diffusion.quantised.sizes import METADATA_KEY
from pawfect.flux.transformer import Transformer
from pawfect_export.quantise import build
from tests.steps import step

LAYERS = {"int8": Int8Linear, "int4": Int4Linear, "q4_0": BlockLinear, "q8_0": BlockLinear}


@pytest.fixture(scope="module")
def made(flux_folder, tmp_path_factory) -> dict[str, Path]:
    folders = {}
    for scheme in SCHEMES:
        folders[scheme] = tmp_path_factory.mktemp(scheme)
        build(folders[scheme], flux_folder, scheme=scheme, part_bytes=300_000)
    return folders


def load(folder: Path, dtype: str = "float32") -> Transformer:
    return Transformer.load(folder, device="cpu", dtype=dtype)


def velocity(transformer: Transformer) -> np.ndarray:
    # Exact in float16, whose rounding of other timesteps and guidances is part of FLUX.
    levels = {"TIMESTEP": np.float32([950]), "GUIDANCE": np.float32([3.5])}
    answers = answer_steps(transformer, [step(0, 6, 5) | levels])
    return np.stack([answer["VELOCITY"] for answer in answers])


def relative(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    ("scheme", "error"), [("q8_0", 0.01), ("int8", 0.02), ("int4", 0.12), ("q4_0", 0.12)]
)
def test_the_velocity_is_close_to_the_plain_ones(made, flux_folder, scheme, error, dtype):
    assert relative(velocity(load(made[scheme], dtype)), velocity(load(flux_folder))) <= error


@pytest.mark.parametrize("scheme", SCHEMES)
def test_only_products_inside_the_blocks_are_quantised_and_scales_keep_their_dtype(made, scheme):
    transformer = load(made[scheme], "float16")
    module = transformer.module
    names = {name for name, layer in module.named_modules() if isinstance(layer, LAYERS[scheme])}
    double = {f"attn.{name}" for name in ("to_q", "to_k", "to_v", "to_out.0", "to_add_out")}
    double |= {f"attn.add_{name}_proj" for name in "qkv"}
    double |= {f"{feed}.net.{place}" for feed in ("ff", "ff_context") for place in ("0.proj", "2")}
    single = {"attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp", "proj_out"}
    assert names == {f"transformer_blocks.{n}.{name}" for n in (0, 1) for name in double} | {
        f"single_transformer_blocks.{n}.{name}" for n in (0, 1) for name in single
    }
    kernels = "torch._int_mm" if scheme.startswith("int") else "diffusers"
    assert transformer.arithmetic == f"{scheme} by {kernels}"
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    kinds = {name.rpartition(".")[2]: set() for name in tensors}
    for name, tensor in tensors.items():
        kinds[name.rpartition(".")[2]].add(tensor.dtype)
    stored = {"int8": torch.int8}.get(scheme, torch.uint8)
    assert kinds["weight"] == {torch.float16, stored}
    assert kinds["bias"] == {torch.float16}
    assert kinds.get("weight_scale", {torch.float32}) == {torch.float32}
    assert kinds.get("group_scale", {torch.float8_e4m3fn}) == {torch.float8_e4m3fn}
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_a_plain_folder_is_plain(flux_folder):
    assert load(flux_folder).arithmetic == "plain"


def first(folder: Path) -> Path:
    return min((folder / "transformer").glob("*.safetensors"))


def rewrite(path: Path, change, recipe: str | None = "") -> None:
    with safetensors.safe_open(path, framework="pt") as file:
        text = file.metadata()[METADATA_KEY]
    tensors = load_file(path)
    change(tensors)
    text = text if recipe == "" else recipe
    save_file(tensors, path, metadata=None if text is None else {METADATA_KEY: text})


def refusal(folder: Path) -> str:
    with pytest.raises(PawfectError) as caught:
        load(folder)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert str(folder) not in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


def a_name(tensors: dict[str, torch.Tensor], leaf: str) -> str:
    return min(name for name in tensors if name.endswith(f".{leaf}"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop(a_name(t, "weight_scale")), "expected the tensors of the index"),
        (lambda t: t.update(more=torch.zeros(2)), "expected the tensors of the index"),
        (lambda t: t.update({a_name(t, "weight_scale"): torch.zeros(3)}), "1 mis-shaped"),
        (lambda t: t.update({(n := a_name(t, "weight_scale")): t[n].half()}), "1 mistyped"),
        (lambda t: t.update({(n := a_name(t, "group_scale")): t[n].float()}), "1 mistyped"),
        (lambda t: t.update({(n := a_name(t, "group_scale")): t[n].view(torch.int8)}), "mistyped"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(made, tmp_path, change, says):
    folder = Path(shutil.copytree(made["int4"], tmp_path / "flux"))
    rewrite(first(folder), change)
    assert says in refusal(folder)


def test_a_missing_part_and_a_truncated_one_are_refused(made, tmp_path):
    folder = Path(shutil.copytree(made["int8"], tmp_path / "flux"))
    path = first(folder)
    path.write_bytes(path.read_bytes()[:-64])
    assert "got a damaged file" in refusal(folder)
    path.unlink()
    assert f"expected {path.name}" in refusal(folder)


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (None, "expected files of one recipe, got 2 different ones"),
        ("{}", "expected files of one recipe"),
    ],
)
def test_files_of_several_recipes_are_refused(made, tmp_path, recipe, says):
    folder = Path(shutil.copytree(made["int8"], tmp_path / "flux"))
    rewrite(first(folder), lambda tensors: None, recipe)
    assert says in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scheme": "int3"}, "expected a scheme of int8, int4, q4_0, q8_0, got 'int3'"),
        ({"group": 32}, "expected rotation 256, group 0, got 256, 32"),
        ({"colour": "blue"}, "expected a recipe of"),
        ({"scheme": ["int8"]}, "recipe: "),
    ],
)
def test_a_recipe_that_is_not_understood_is_refused(made, tmp_path, changes, says):
    folder = Path(shutil.copytree(made["int8"], tmp_path / "flux"))
    for path in (folder / "transformer").glob("*.safetensors"):
        with safetensors.safe_open(path, framework="pt") as file:
            content = json.loads(file.metadata()[METADATA_KEY])
        rewrite(path, lambda tensors: None, json.dumps(content | changes))
    assert says in refusal(folder)


def test_a_recipe_survives_its_metadata():
    recipe = Recipe("int4", 256, 16, "lab/model@1234567", "lab/lora@7654321", 0.125, "0.1.0")
    (text,) = recipe.metadata().values()
    assert Recipe.parse(text) == recipe
