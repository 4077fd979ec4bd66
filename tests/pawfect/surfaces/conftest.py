"""One tiny SAM3 for the tests of surfaces: the published layout, the real classes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pawfect_export.tiny import sam3


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny SAM3; not to be written to."""
    folder = tmp_path_factory.mktemp("sam3")
    sam3.build(folder)
    return folder


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
