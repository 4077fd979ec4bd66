"""Candidates of a search on a hole with known truth, each made once and kept below `build/`.

They are made and judged by what `candidate_search` itself makes and judges them by.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.parameters import MAX_DEADLINE_MS, InpaintParams
from pawfect.contract.scores import Judgement
from pawfect.contract.search_report import Candidate
from pawfect.local import LocalModels
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import clean_mask
from pawfect.orchestrator.proposal import Base
from pawfect.orchestrator.proposing import propose
from pawfect.orchestrator.request import InpaintRequest
from pawfect.picture import raster
from pawfect.profile import load_profile
from pawfect.scores.local import judge_locally
from pawfect.scores.look import look
from pawfect.search.tries import Try
from perf.quality.removal import Removal

ENGINE: Final = "patch"
PROJECT: Final = Path(__file__).resolve().parents[2]
# What a fill is made by; and a child besides, whose worst part is searched anew.
_FILLED_BY: Final = ("pawfect/patch", "pawfect/picture")
_CHILD_BY: Final = tuple(
    f"pawfect/scores/{name}.py" for name in ("faults", "closeup", "texture", "seam")
)


@dataclass(frozen=True, eq=False)
class Made:
    """A candidate that was made and judged.

    Attributes:
        tried: what was tried.
        image: UINT8 [H, W, 3] RGB.
        look: ST-LPIPS to the truth: lower is better.
        cpu_seconds: of all threads, to make it.
        judge_seconds: likewise, to judge it.
        judgement: the local judge's.
    """

    tried: Try
    image: NDArray[np.uint8]
    look: float
    cpu_seconds: float
    judge_seconds: float
    judgement: Judgement

    @property
    def candidate(self) -> Candidate:
        """It as a search compares it."""
        one, parent = self.tried, self.tried.parent
        number = None if parent is None else parent.number
        return Candidate(
            one.number, one.phase, one.seed, one.variation.name, number, engine=ENGINE,
            judgements=(self.judgement,),
        )  # fmt: skip


class Maker:
    """Makes the candidates of one hole.

    No network looks for a subject in a fill: there is none to be seen, and it takes a second each.

    Args:
        removal: photo, hole and truth.
        folder: where candidates are kept; those that lie there are not made again.
    """

    def __init__(self, removal: Removal, folder: Path) -> None:
        self._removal = removal
        self._folder = folder
        self._models = _models()
        self._deployment = Deployment(load_profile("embedded"))
        planes = [removal.photo, removal.hole, removal.truth]
        if removal.unknown is not None:
            planes.append(removal.unknown)
        self._digest = hashlib.sha256(b"".join(plane.tobytes() for plane in planes))
        self._at = raster.surrounding(removal.hole > 0, 0)
        self._base: Base | None = None

    def make(self, tried: Try, parent: Made | None = None) -> Made:
        """Return a candidate, made now or earlier.

        Args:
            tried: what is tried; its settings and its number are no part of what it is made of.
            parent: the candidate that it starts from, or None.
        """
        image, cpu, far = self._kept(tried, parent)
        began = process_time()
        judgement = judge_locally(image, self._removal.photo, self._removal.hole)
        return Made(tried, image, far, cpu, process_time() - began, judgement)

    def _kept(self, tried: Try, parent: Made | None) -> tuple[NDArray[np.uint8], float, float]:
        path = self._folder / f"{self._key(tried, parent)}.npz"
        image = self._removal.photo.copy()
        if path.is_file():
            with np.load(path) as kept:
                image[self._at] = kept["crop"]
                return image, float(kept["cpu_seconds"]), float(kept["look"])
        base = self._base = self._base or self._begun()
        began = process_time()
        before = None if parent is None else parent.image
        filled = asyncio.run(propose(base, tried, before, Control(MAX_DEADLINE_MS))).image
        cpu = process_time() - began
        crop = np.ascontiguousarray(filled[self._at])
        image[self._at] = crop
        if not np.array_equal(image, filled):
            raise RuntimeError(f"{self._removal.name}: expected nothing changed outside the hole")
        far = look(image, self._removal.truth, self._removal.hole)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.savez(file, crop=crop, cpu_seconds=cpu, look=far)
        unfinished.replace(path)
        return image, cpu, far

    def _begun(self) -> Base:
        removal = self._removal
        # The removal's hole is a cleaned mask already.
        params = InpaintParams(
            engine=ENGINE,
            deadline_ms=MAX_DEADLINE_MS,
            dilate_px=0,
            least_speck_px=0,
            preview_every=0,
        )
        request = InpaintRequest(removal.photo, removal.hole, params, removal.unknown)
        cleaned = asyncio.run(clean_mask(request, self._models, Control(MAX_DEADLINE_MS)))
        if not np.array_equal(cleaned.mask, removal.hole):
            raise RuntimeError(f"{removal.name}: expected a cleaned mask to stay as it is")
        return Base(request, cleaned, ENGINE, self._deployment, self._models, MAX_DEADLINE_MS)

    def _key(self, tried: Try, parent: Made | None) -> str:
        digest = self._digest.copy()
        digest.update(_source(_FILLED_BY))
        digest.update(f"{tried.seed} {tried.variation}".encode())
        if parent is not None:
            digest.update(_source(_CHILD_BY) + parent.image[self._at].tobytes())
        return digest.hexdigest()[:24]


@cache
def _models() -> LocalModels:
    models = LocalModels(load_profile("embedded"))
    models.load_plain()
    return models


@cache
def _source(paths: tuple[str, ...]) -> bytes:
    """Return a digest of source files: another fill makes other candidates."""
    digest = hashlib.sha256()
    for name in paths:
        place = PROJECT / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.read_bytes())
    return digest.digest()
