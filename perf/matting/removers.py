"""What is compared: this project's background removal in its variants, and rembg as a peer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.cutout import EDGES
from pawfect.contract.parameters import Scalar

# Longer than any picture takes: what is measured is the time, not whether it is kept.
DEADLINE_MS: Final = 600_000
# One view of a network under several presets is measured once, under the first of these.
PRESET_ORDER: Final = ("standard", "fast", "high", "maximum")
PEER: Final = "rembg"
INSTALL_PEER: Final = "pip install --no-deps -r requirements/rembg.txt"
# What rembg shows for its own matting.
PEER_EDGES: Final = ("none", "matting")


@dataclass(frozen=True, eq=False)
class Cutout:
    """What a remover gives.

    Attributes:
        alpha: UINT8 [H, W].
        colour: UINT8 [H, W, 3] RGB, of the cut-out, not multiplied by alpha.
        report: what it says of it, as REPORT has it; empty where it says nothing.
    """

    alpha: NDArray[np.uint8]
    colour: NDArray[np.uint8]
    report: Mapping[str, Any]


# Takes a photo UINT8 [H, W, 3] RGB.
Remover = Callable[[NDArray[np.uint8]], Cutout]


@dataclass(frozen=True)
class Variant:
    """One way to remove a background.

    Attributes:
        network: a network's name, or PEER.
        preset: one of PRESETS; of PEER: its only one.
        edges: one of EDGES.
    """

    network: str
    preset: str
    edges: str

    @property
    def name(self) -> str:
        """Its name in tables and baselines."""
        return f"{self.network} {self.preset} {self.edges}"

    def parameters(self) -> dict[str, Scalar]:
        """Return what a request of it says."""
        return {
            "network": self.network,
            "preset": self.preset,
            "edges": self.edges,
            "deadline_ms": DEADLINE_MS,
        }


def distinct(
    views: Mapping[str, Mapping[str, object]], edges: Sequence[str] = EDGES
) -> tuple[Variant, ...]:
    """Return a variant for each view of each network and each edge step.

    Args:
        views: by network and preset, what the network looks at: what is equal is one view.
        edges: some of EDGES.
    """
    found = []
    for network, by_preset in views.items():
        seen: list[object] = []
        for preset in PRESET_ORDER:
            if preset in by_preset and by_preset[preset] not in seen:
                seen.append(by_preset[preset])
                found += [Variant(network, preset, edge) for edge in edges]
    return tuple(found)


def peers(file: Path) -> Mapping[Variant, Remover]:
    """Return rembg's own removers with U2-Net-p; none where rembg is not installed.

    Args:
        file: U2-Net-p's ONNX file: rembg would download its own.
    """
    try:
        import onnxruntime
        from rembg import remove
        from rembg.sessions.u2netp import U2netpSession
    except ImportError:
        return MappingProxyType({})

    class Session(U2netpSession):  # type: ignore[misc]
        """rembg's session of U2-Net-p, with the file that is here."""

        @classmethod
        def download_models(cls, *args: object, **kwargs: object) -> str:
            return str(file)

    options = onnxruntime.SessionOptions()
    session = Session("u2netp", options, providers=["CPUExecutionProvider"])

    def of(edges: str) -> Remover:
        def run(photo: NDArray[np.uint8]) -> Cutout:
            pixels = np.asarray(remove(photo, alpha_matting=edges == "matting", session=session))
            return Cutout(pixels[..., 3], np.ascontiguousarray(pixels[..., :3]), {})

        return run

    return MappingProxyType({Variant(PEER, "standard", edges): of(edges) for edges in PEER_EDGES})


def chosen(every: Iterable[Variant], names: Sequence[str]) -> tuple[Variant, ...]:
    """Pick variants by name; all where no name is given.

    Raises:
        ValueError: a name is no variant's that is here.
    """
    known = {one.name: one for one in every}
    for name in names:
        if name not in known:
            raise ValueError(f"expected one of {', '.join(known)}, got {name!r}")
    return tuple(known[name] for name in names) if names else tuple(known.values())
