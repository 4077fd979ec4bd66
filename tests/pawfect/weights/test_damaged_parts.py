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

from pawfect.contract.errors import ErrorKind
from pawfect.flux.text import TextEncoder
from pawfect.flux.transformer import Transformer
from pawfect.flux.vae import Vae
from pawfect.scene.florence2 import Captioner
from pawfect.scene.sam3_network import Sam3
from tests.refusals import refusal

# Each part's loader, what it needs besides, and its folder among the tiny weights.
LOADERS = {
    "transformer": (Transformer.load, {}, "tiny-flux-fill"),
    "vae": (Vae.load, {"tile_px": 0}, "tiny-flux-fill"),
    "text_encoder": (TextEncoder.load, {"tokens": 8}, "tiny-flux-fill"),
    "text_encoder_2": (TextEncoder.load, {"tokens": 8}, "tiny-flux-fill"),
    "sam3": (Sam3.load, {}, "tiny-sam3"),
    "florence2": (Captioner.load, {"max_tokens": 8}, "tiny-florence2"),
}
OF_FLUX = [part for part in LOADERS if LOADERS[part][2] == "tiny-flux-fill"]


def refused(folder: Path, part: str) -> str:
    load, more, _ = LOADERS[part]
    message = refusal(ErrorKind.UNAVAILABLE, load, folder, device="cpu", dtype="float32", **more)
    assert str(folder) not in message
    assert "\n" not in message
    return message


@pytest.fixture
def copied(tiny_weights: Path, tmp_path: Path, part: str) -> Path:
    """The part's checkpoint, to be damaged."""
    return Path(shutil.copytree(tiny_weights / LOADERS[part][2], tmp_path / "copied"))


def own(folder: Path, part: str) -> Path:
    """The part's own folder of a checkpoint."""
    return folder / part if part in OF_FLUX else folder


def weights_file(folder: Path) -> Path:
    return min(folder.glob("*.safetensors"))


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(weights_file(folder))
    change(tensors)
    save_file(tensors, weights_file(folder))


def only_pickles(folder: Path) -> None:
    for file in (*folder.glob("*.safetensors"), *folder.glob("*.index.json")):
        file.unlink()
    torch.save({"weight": torch.zeros(1)}, folder / "pytorch_model.bin")


def truncated(folder: Path) -> None:
    weights_file(folder).write_bytes(weights_file(folder).read_bytes()[:-100])


def set_config(folder: Path, **entries: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def one(tensors: dict[str, torch.Tensor]) -> str:
    """The first tensor that is not the video tracker's of SAM3."""
    return min(name for name in tensors if not name.startswith("tracker"))


@pytest.mark.parametrize("part", LOADERS)
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        # Where the checkpoint is in parts, the index tells before the module does.
        (
            lambda f: change_tensors(f, lambda t: t.pop(one(t))),
            ("got 1 missing: ", "expected the tensors of the index, not so"),
        ),
        (
            lambda f: change_tensors(f, lambda t: t.update(another=torch.zeros(2))),
            ("got 1 extra: another", "expected the tensors of the index, not so another"),
        ),
        (
            lambda f: change_tensors(f, lambda t: t.update({one(t): torch.zeros(2, 3, 1)})),
            ("got 1 mis-shaped: ",),
        ),
        (
            lambda f: weights_file(f).write_bytes(pickle.dumps({"weight": 1}, protocol=2)),
            ("expected safetensors, got a pickle",),
        ),
        (only_pickles, (", pytorch_model.bin",)),
        (truncated, ("got a damaged file",)),
        (lambda f: (f / "config.json").unlink(), ("expected config.json",)),
    ],
    ids=["missing", "extra", "mis-shaped", "pickle", "only pickles", "truncated", "no config"],
)
def test_a_damaged_part_is_unavailable(copied, part, damage, says):
    damage(own(copied, part))
    message = refused(copied, part)
    assert part in message or part not in OF_FLUX
    assert any(text in message for text in says), message


@pytest.mark.parametrize(
    ("part", "entries", "says"),
    [
        *(
            (part, {"_class_name": "UNet2DModel", "architectures": ["BertModel"]}, "got")
            for part in OF_FLUX
        ),
        ("transformer", {"num_attention_heads": "four"}, "config.json"),
        ("vae", {"block_out_channels": 7}, "config.json"),
        ("text_encoder", {"num_hidden_layers": "two"}, "config.json"),
        ("text_encoder_2", {"d_kv": "wide"}, "config.json"),
        ("transformer", {"in_channels": 64}, "in_channels: expected 384, got 64"),
        ("transformer", {"guidance_embeds": False}, "guidance_embeds: expected True"),
        ("vae", {"latent_channels": 4}, "latent_channels: expected 16, got 4"),
        ("vae", {"shift_factor": None}, "and a shift_factor"),
    ],
)
def test_a_config_of_another_model_is_unavailable(copied, part, entries, says):
    set_config(copied / part, **entries)
    assert says in refused(copied, part)


@pytest.mark.parametrize("part", LOADERS)
def test_a_missing_folder_and_an_unknown_dtype_are_refused(tiny_weights, tmp_path, part):
    refused(tmp_path / "nothing", part)
    load, more, entry = LOADERS[part]
    message = refusal(
        ErrorKind.INVALID_ARG, load, tiny_weights / entry, device="cpu", dtype="int8", **more
    )
    assert message.endswith("bfloat16, got int8")
