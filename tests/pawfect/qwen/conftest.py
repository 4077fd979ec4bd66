"""Tiny Qwen-Image-Edits: as our parts, and as diffusers' own pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from diffusers import (
    QwenImageEditInpaintPipeline,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
)

from pawfect.qwen.text import TextEncoder
from pawfect.qwen.transformer import Transformer
from pawfect.qwen.vae import Vae
from pawfect_export.tiny.edit import build
from tests import edit_oracle

# Most tokens of an instruction.
TOKENS = 64
# What pictures are scaled to here, px, for the text encoder of EditPlus and for all else: 96x64.
SHOWN = 9216
LATENTS = 6144
KINDS = {
    "edit": QwenImageEditPipeline,
    "plus": QwenImageEditPlusPipeline,
    "inpaint": QwenImageEditInpaintPipeline,
}


@dataclass(frozen=True)
class Parts:
    """Our parts, in float32."""

    folder: Path
    text: TextEncoder
    vae: Vae
    transformer: Transformer


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By kind of pipeline; not to be written to."""
    made = {name: tmp_path_factory.mktemp("qwen") / name for name in ("edit", "plus")}
    for name, folder in made.items():
        build(folder, pipeline=KINDS[name].__name__)
    return made | {"inpaint": made["edit"]}


@pytest.fixture(scope="session")
def parts(folders: dict[str, Path]) -> Callable[[str], Parts]:
    """Give our parts by kind of pipeline; they are shown pictures at the areas of these tests."""
    how = {"device": "cpu", "dtype": "float32"}
    loaded: dict[Path, Parts] = {}

    def load(kind: str) -> Parts:
        folder = folders[kind]
        if folder not in loaded:
            text = TextEncoder.load(folder, **how, tokens=TOKENS)
            area = SHOWN if kind == "plus" else LATENTS
            text.template = replace(text.template, area=area)
            vae = Vae.load(folder, **how, tile_px=0)
            loaded[folder] = Parts(folder, text, vae, Transformer.load(folder, **how))
        return loaded[folder]

    return load


@pytest.fixture(scope="session")
def pipelines(folders: dict[str, Path]) -> Iterator[Callable[[str], edit_oracle.Pipeline]]:
    """Give the oracles by kind, at the areas of these tests."""
    loaded: dict[str, edit_oracle.Pipeline] = {}

    def load(kind: str) -> edit_oracle.Pipeline:
        if kind not in loaded:
            loaded[kind] = edit_oracle.load_pipeline(KINDS[kind], folders[kind])
        return loaded[kind]

    with edit_oracle.areas(SHOWN, LATENTS):
        yield load


@pytest.fixture(scope="session")
def photo() -> Callable[..., np.ndarray]:
    """Make a picture with structure at all scales."""

    def make(height: int, width: int, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        rows, columns = np.mgrid[:height, :width]
        phase = rng.uniform(0, 6, 3)
        image = np.stack(
            [
                127 + 100 * np.sin(rows / (9 + i) + columns / (17 - 3 * i) + phase[i])
                for i in range(3)
            ],
            axis=2,
        )
        return np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)

    return make
