"""Checkpoints that are not whole: UNAVAILABLE, and nothing loaded by halves."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.flux.text import TextEncoder
from pawfect.flux.transformer import Transformer
from pawfect.flux.vae import Vae

LOAD: dict[str, Callable[[Path], object]] = {
    "transformer": lambda f: Transformer.load(f, device="cpu", dtype="float32"),
    "vae": lambda f: Vae.load(f, device="cpu", dtype="float32", tile_px=0),
    "text_encoder": lambda f: TextEncoder.load(f, device="cpu", dtype="float32", tokens=8),
    "text_encoder_2": lambda f: TextEncoder.load(f, device="cpu", dtype="float32", tokens=8),
}


def first_file(folder: Path) -> Path:
    return min(folder.glob("*.safetensors"))


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(first_file(folder))
    change(tensors)
    save_file(tensors, first_file(folder))


def drop(folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.pop(min(tensors)))


def add(folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.update(another=torch.zeros(2)))


def reshape(folder: Path) -> None:
    change_tensors(folder, lambda t: t.update({min(t): torch.zeros(*t[min(t)].shape, 1)}))


def pickled(folder: Path) -> None:
    first_file(folder).write_bytes(pickle.dumps({"weight": 1}, protocol=2))


def only_pickles(folder: Path) -> None:
    for file in (*folder.glob("*.safetensors"), *folder.glob("*.index.json")):
        file.unlink()
    torch.save({"weight": torch.zeros(1)}, folder / "pytorch_model.bin")


def truncated(folder: Path) -> None:
    first_file(folder).write_bytes(first_file(folder).read_bytes()[:-100])


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def set_config(folder: Path, **entries: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def another_class(folder: Path) -> None:
    set_config(folder, _class_name="UNet2DModel", architectures=["BertModel"])


def unbuildable(folder: Path) -> None:
    set_config(folder, num_attention_heads="four", num_layers="two", block_out_channels=7)
    set_config(folder, d_kv="wide", num_hidden_layers="two")


@pytest.fixture
def copied(flux_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(flux_folder, tmp_path / "flux"))


@pytest.mark.parametrize("part", LOAD)
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        # Where the checkpoint is in parts, the index tells before the module does.
        (drop, ("got 1 missing", "expected the tensors of the index, not so")),
        (add, ("got 1 extra: another", "expected the tensors of the index, not so another")),
        (reshape, "got 1 mis-shaped"),
        (pickled, "expected safetensors, got a pickle"),
        (only_pickles, "safetensors, got config.json, pytorch_model.bin"),
        (truncated, "got a damaged file"),
        (no_config, "expected config.json"),
        (another_class, "got"),
        (unbuildable, "config.json"),
    ],
)
def test_a_damaged_part_is_unavailable(copied, tmp_path, part, damage, says):
    damage(copied / part)
    with pytest.raises(PawfectError) as caught:
        LOAD[part](copied)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert part in caught.value.message
    said = (says,) if isinstance(says, str) else says
    assert any(text in caught.value.message for text in said)
    assert str(tmp_path) not in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("part", "entries", "says"),
    [
        ("transformer", {"in_channels": 64}, "in_channels: expected 384, got 64"),
        ("transformer", {"guidance_embeds": False}, "guidance_embeds: expected True"),
        ("vae", {"latent_channels": 4}, "latent_channels: expected 16, got 4"),
        ("vae", {"shift_factor": None}, "and a shift_factor"),
    ],
)
def test_a_model_that_is_no_flux_fill_is_unavailable(copied, part, entries, says):
    set_config(copied / part, **entries)
    with pytest.raises(PawfectError) as caught:
        LOAD[part](copied)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert says in caught.value.message


def test_a_missing_folder_is_unavailable(tmp_path):
    for load in LOAD.values():
        with pytest.raises(PawfectError) as caught:
            load(tmp_path / "nothing")
        assert caught.value.kind is ErrorKind.UNAVAILABLE


@pytest.mark.parametrize("part", LOAD)
def test_an_unknown_dtype_is_refused(flux_folder, monkeypatch, part):
    kind = {"transformer": Transformer, "vae": Vae}.get(part, TextEncoder)
    extra = {Vae: {"tile_px": 0}, TextEncoder: {"tokens": 8}}.get(kind, {})
    with pytest.raises(PawfectError, match="float16, bfloat16, got int8"):
        kind.load(flux_folder, device="cpu", dtype="int8", **extra)
