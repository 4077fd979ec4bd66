"""One tiny SAM3 and one tiny Florence-2: the published layouts, the real classes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pawfect.scene.florence2 import Captioner


@pytest.fixture(scope="session")
def checkpoint(tiny_weights: Path) -> Path:
    """Folder of a tiny SAM3; not to be written to."""
    return tiny_weights / "tiny-sam3"


@pytest.fixture
def altered(checkpoint: Path) -> Callable[[Path, dict[str, torch.Tensor]], Path]:
    """Copies the tiny SAM3 to a folder with some of its tensors replaced."""

    def alter(folder: Path, replaced: dict[str, torch.Tensor]) -> Path:
        shutil.copytree(checkpoint, folder)
        tensors = load_file(checkpoint / "model.safetensors")
        assert set(replaced) <= set(tensors)
        save_file(tensors | replaced, folder / "model.safetensors")
        return folder

    return alter


@pytest.fixture(scope="session")
def florence2_folder(tiny_weights: Path) -> Path:
    """A complete checkpoint, not to be written to."""
    return tiny_weights / "tiny-florence2"


@pytest.fixture(scope="session")
def captioner(florence2_folder: Path) -> Captioner:
    """The production loader's reading of it, in float32 on the CPU."""
    return Captioner.load(florence2_folder, device="cpu", dtype="float32", max_tokens=24)
