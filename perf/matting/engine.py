"""This project's background removal as removers: what the profile's weights allow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError
from pawfect.local import LocalRemoval
from pawfect.matting.networks import find_network
from pawfect.matting.presets import PRESETS
from pawfect.orchestrator.removal import read_removal
from pawfect.profile import load_profile
from pawfect.weights.reading import entry_folder
from pawfect.weights.store import Store, weights_root
from perf.matting.removers import Cutout, Remover, Variant, distinct

# The network whose file rembg runs too.
PEER_NETWORK = "u2netp"


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
