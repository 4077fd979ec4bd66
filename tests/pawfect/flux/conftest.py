"""One tiny FLUX-Fill for the folder: as our parts, and as diffusers' own pipeline loads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline

from pawfect.flux.text import TextEncoder
from pawfect.flux.transformer import Transformer
from pawfect.flux.vae import Vae
from pawfect_export.tiny.gguf_file import QUANTISATIONS
from pawfect_export.tiny.gguf_file import build as build_gguf
from tests import oracle
from tests.pawfect.flux.gguf_files import K_QUANTS, MIXES, build_random, transformer

TOKENS = 64


@dataclass(frozen=True)
class Parts:
    """Our parts, in float32."""

    text: TextEncoder
    vae: Vae
    transformer: Transformer


@pytest.fixture(scope="session")
def flux_folder(tiny_weights: Path) -> Path:
    """Not to be written to."""
    return tiny_weights / "tiny-flux-fill"


@pytest.fixture(scope="session")
def parts(flux_folder: Path) -> Parts:
    how = {"device": "cpu", "dtype": "float32"}
    return Parts(
        TextEncoder.load(flux_folder, **how, tokens=TOKENS),
        Vae.load(flux_folder, **how, tile_px=0),
        Transformer.load(flux_folder, **how),
    )


@pytest.fixture(scope="session")
def pipeline(flux_folder: Path) -> FluxFillPipeline:
    """The oracle, every component loaded by diffusers and transformers themselves."""
    return oracle.load_pipeline(flux_folder)


@pytest.fixture(scope="session")
def scene():
    """Make an image with structure at all scales, and a mask with a hole in it."""

    def make(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        rows, columns = np.mgrid[:height, :width]
        image = np.stack(
            [127 + 100 * np.sin(rows / (9 + i) + columns / (17 - 3 * i)) for i in range(3)], axis=2
        )
        image = np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)
        # Grey levels on both sides of the threshold, and a hole that no 8 px cell bounds.
        mask = rng.integers(0, 128, (height, width), np.uint8)
        hole = np.hypot(rows - height * 0.6, columns - width * 0.4) < min(height, width) / 3.3
        mask[hole] = rng.integers(128, 256, np.count_nonzero(hole), np.uint8)
        return image, mask

    return make


@pytest.fixture(scope="session")
def gguf_source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    transformer().save_pretrained(folder / "transformer")
    return folder


@pytest.fixture(scope="session")
def gguf_files(gguf_source, tmp_path_factory) -> dict[str, Path]:
    folders = {}
    for quantisation in QUANTISATIONS:
        folders[quantisation] = tmp_path_factory.mktemp(quantisation)
        build_gguf(folders[quantisation], gguf_source, quantisation)
    for name in (*K_QUANTS, *MIXES):
        folders[name] = tmp_path_factory.mktemp(name)
        build_random(folders[name], gguf_source, name)
    return folders
