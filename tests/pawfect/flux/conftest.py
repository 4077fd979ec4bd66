"""One tiny FLUX-Fill for the folder: as our parts, and as diffusers' own pipeline loads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline

from pawfect.flux.schedule import Schedule, euler, first_step, noised, read_schedule
from pawfect.flux.text import TextEncoder
from pawfect.flux.tokens import token_grid
from pawfect.flux.transformer import Transformer
from pawfect.flux.vae import Vae
from pawfect_export.tiny import flux as tiny
from pawfect_export.tiny.flux_gguf import QUANTISATIONS
from pawfect_export.tiny.flux_gguf import build as build_gguf
from tests import oracle
from tests.pawfect.flux.gguf_files import K_QUANTS, build_random, transformer

TOKENS = 64


@dataclass(frozen=True)
class Request:
    """One fill as a user asks for it."""

    image: np.ndarray
    mask: np.ndarray
    prompt: str = "green grass with fallen leaves"
    seed: int = 7
    steps: int = 4
    guidance: float = 30.0
    strength: float = 1.0
    prefill: np.ndarray | None = None


@dataclass(frozen=True)
class Parts:
    """Our parts, and the loop that the orchestrator runs over them."""

    text: TextEncoder
    vae: Vae
    transformer: Transformer
    schedule: Schedule

    @classmethod
    def load(cls, folder: Path, dtype: str = "float32") -> Parts:
        return cls(
            TextEncoder.load(folder, device="cpu", dtype=dtype, tokens=TOKENS),
            Vae.load(folder, device="cpu", dtype=dtype, tile_px=0),
            Transformer.load(folder, device="cpu", dtype=dtype),
            read_schedule(folder),
        )

    def fill(self, *requests: Request) -> list[np.ndarray]:
        """Fill requests of one size in one batch, each at its own place of its own schedule."""
        grid = token_grid(*requests[0].mask.shape)
        texts = [self.text.encode(request.prompt) for request in requests]
        windows = [self.vae.encode(r.image, r.mask, r.seed, r.prefill) for r in requests]
        sigmas = [self.schedule.sigmas(r.steps, grid[0] * grid[1]) for r in requests]
        steps = [first_step(request.steps, request.strength) for request in requests]
        latents = [
            w.latents if w.prior is None else noised(w.prior, w.latents, levels[step])
            for w, levels, step in zip(windows, sigmas, steps, strict=True)
        ]
        while running := [i for i, request in enumerate(requests) if steps[i] < request.steps]:
            velocities = self.transformer.velocity(
                np.stack([latents[i] for i in running]),
                np.stack([windows[i].condition for i in running]),
                np.stack([texts[i].embeds for i in running]),
                np.stack([texts[i].pooled for i in running]),
                np.array([self.schedule.timesteps(sigmas[i])[steps[i]] for i in running]),
                np.array([requests[i].guidance for i in running], np.float32),
                grid,
            )
            for i, velocity in zip(running, velocities, strict=True):
                latents[i] = euler(latents[i], velocity, *sigmas[i][steps[i] : steps[i] + 2])
                steps[i] += 1
        return [self.vae.decode(item, grid) for item in latents]


@pytest.fixture(scope="session")
def flux_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flux")
    tiny.build(folder)
    return folder


@pytest.fixture(scope="session")
def parts(flux_folder: Path) -> Parts:
    return Parts.load(flux_folder)


@pytest.fixture(scope="session")
def pipeline(flux_folder: Path) -> FluxFillPipeline:
    """The oracle, every component loaded by diffusers and transformers themselves."""
    return oracle.load_pipeline(flux_folder)


@pytest.fixture(scope="session")
def fill_by_pipeline(pipeline):
    def fill(request: Request) -> np.ndarray:
        return oracle.fill_by_pipeline(
            pipeline,
            request.image if request.prefill is None else request.prefill,
            request.mask,
            prompt=request.prompt,
            steps=request.steps,
            guidance=request.guidance,
            strength=request.strength,
            seed=request.seed,
            tokens=TOKENS,
        )

    return fill


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
    for name in K_QUANTS:
        folders[name] = tmp_path_factory.mktemp(name)
        build_random(folders[name], gguf_source, name)
    return folders
