"""This project's background removal as removers: what the profile's weights allow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.cutout import CutoutParams, CutoutReport
from pawfect.contract.errors import PawfectError
from pawfect.local import LocalModels, LocalRemoval
from pawfect.matting.networks import find_network
from pawfect.matting.presets import PRESETS
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.cutout import remove_background
from pawfect.orchestrator.removal import CutoutRequest, read_removal
from pawfect.profile import load_profile
from pawfect.weights.reading import entry_folder
from pawfect.weights.store import Store, weights_root
from perf.matting.removers import DEADLINE_MS, Cutout, Remover, Variant, distinct

# The network whose file rembg runs too.
PEER_NETWORK = "u2netp"


class BothClocks(Control):
    """A request's clock that also says what its stages take of the CPU.

    Attributes:
        cpu_ms: of all threads of this process by stage, milliseconds; right where one stage runs
            at a time and nothing else does.
    """

    def __init__(self) -> None:
        super().__init__(DEADLINE_MS)
        self.cpu_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage by both clocks."""
        begun = process_time()
        with super().stage(name):
            yield
        self.cpu_ms[name] = self.cpu_ms.get(name, 0.0) + (process_time() - begun) * 1000


class Engine:
    """The flow of `background_removal` in this process.

    Args:
        profile: its name.

    Raises:
        PawfectError: UNAVAILABLE where the profile has no background removal, or none of its
            networks is here; the message says what mends it.
    """

    def __init__(self, profile: str) -> None:
        loaded = load_profile(profile)
        removal = read_removal(loaded)
        if removal.error is not None:
            raise removal.error
        self._removal, self._models = removal, LocalModels(loaded)
        self._flow = LocalRemoval(loaded)
        self.networks = tuple(removal.networks)

    def variants(self) -> tuple[Variant, ...]:
        """Return a variant for each view of each network that is here, and each edge step."""
        return distinct({name: views(name) for name in self.networks})

    def remover(self, variant: Variant) -> Remover:
        """Return what removes a background as a variant says."""

        def remove(photo: NDArray[np.uint8]) -> Cutout:
            result = self._flow.remove_background(photo, variant.parameters())
            report: Mapping[str, Any] = vars(result.report)
            return Cutout(result.alpha, np.ascontiguousarray(result.cutout[..., :3]), report)

        return remove

    def timed(
        self, variant: Variant, photo: NDArray[np.uint8]
    ) -> tuple[CutoutReport, dict[str, float]]:
        """Remove a photo's background; returns the report and CPU milliseconds by stage."""
        request = CutoutRequest(photo, CutoutParams.parse(variant.parameters()))
        clocks = BothClocks()
        work = remove_background(request, self._removal, self._models, clocks)
        return asyncio.run(work).report, clocks.cpu_ms


def views(network: str) -> Mapping[str, object]:
    """Return what a network looks at by preset: presets whose views are equal see the same."""
    found = find_network(network)
    return {name: found.view(preset.size, preset.resize) for name, preset in PRESETS.items()}


def peer_file() -> Path | None:
    """Return the ONNX file that rembg runs too, verified; None where it is not here."""
    try:
        folder = entry_folder(find_network(PEER_NETWORK).weights, Store(weights_root()))
    except PawfectError:
        return None
    return next(iter(sorted(folder.glob("*.onnx"))), None)
