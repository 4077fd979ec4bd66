"""Records and settings to try the audit's parts with, and a small photo whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from perf.audit.cells import Cell, Setting
from perf.audit.journal import Record

TINY, TINY_Q8 = "tiny-flux-fill", "tiny-flux-fill-q8_0"
SIDE = 256


def setting(**instead) -> Setting:
    given = {"quantisation": TINY, "size": 128, "strength": 1.0, "prompt": "one"}
    return Setting(**(given | {"guidance": 4.0, "steps": 8} | instead))


def cell(identity: str = "a" * 16, session: str = "lawn", **instead) -> Cell:
    return Cell(setting(**instead), session, 0, identity)


def record(
    of: Cell | None = None, status: str = "done", total_ms: float = 1000.0, prompt: str = "", **told
) -> Record:
    of = of or cell()
    scores = {"st_lpips": 0.13, "seam_off": 1.0, "sharpness": 1.0, "sharpness_log": 0.0}
    report = {"total_ms": total_ms, "prompt": prompt, "stage_ms": {"flux_transformer": 800.0}}
    given = {
        "picture": f"pictures/{of.identity}.jpg",
        "crop": f"pictures/{of.identity}-crop.jpg",
        "peak_mib": 100.0,
        "scores": scores,
        "report": report,
    }
    given = ({} if status == "failed" else given) | told
    at = "2026-01-01T00:00:00"
    return Record(of.identity, of.session, of.seed, of.setting, status, at, **given)


def note(cells, **instead):
    """What a run says of itself, as it comes back from its journal."""
    source = {"command": "c", "date": "d", "machine": "m", "versions": {"v": "1"}}
    sessions = [{"name": "lawn", "photo": "pictures/p.jpg", "truth": ""}]
    given = {"profile": "tiny", "budget_ms": 30_000, "provenance": source, "sessions": sessions}
    return json.loads(json.dumps(given | {"cells": [asdict(c) for c in cells]} | instead))


@pytest.fixture(scope="session")
def lawn_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photo.png, mask.png and truth.png of 256 px."""
    folder = tmp_path_factory.mktemp("lawn")
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 20, (64, 64, 3)).astype(np.float32)
    truth = cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) + (90, 130, 70)
    truth = np.clip(truth, 0, 255).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[100:160, 90:170] = 255
    photo = truth.copy()
    photo[mask > 0] = (220, 40, 40)
    for name, image in (("photo", photo), ("mask", mask), ("truth", truth)):
        Image.fromarray(image).save(folder / f"{name}.png")
    return folder


MATRIX = """
profile = "tiny"
deadline_ms = 100000

[axes]
quantisation = ["tiny-flux-fill", "tiny-flux-fill-q8_0"]
guidance = [4, 30]
steps = [1, 3]
prompt = ["none", "five"]
size = [128]

[[session]]
name = "lawn"
photo = "photo.png"
mask = "mask.png"
truth = "truth.png"
prompts = { five = "patchy green grass with fallen leaves" }
"""


@pytest.fixture
def write_matrix(lawn_files: Path) -> Callable[[str], Path]:
    """Write a matrix beside the lawn's files."""

    def write(text: str = MATRIX, name: str = "matrix.toml") -> Path:
        path = lawn_files / name
        path.write_text(text)
        return path

    return write
