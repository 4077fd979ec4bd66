"""What networks compute, and the seconds and memory that this comes to on a card.

FLOP and moved values of InSPyReNet (SwinB, depth 64) are torch's own count on the class of
transparent-background 1.3.4 on the meta device: FlopCounterMode for products, every other kernel's
reads and writes for what is moved, the storages that live at once for the peak. Those of U2-Net-p
are counted from its ONNX file's convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pawfect.costs import CASES
from perf.flux.cards import L4, Card
from perf.flux.flops import Work

# A context of CUDA, GiB, that one process for all ONNX networks holds once.
CONTEXT_GIB: Final = 0.45
# Weights of InSPyReNet (SwinB), and of U2-Net-p.
INSPYRENET_WEIGHTS: Final = 90_721_443
U2NETP_WEIGHTS: Final = 1_125_485
# Bytes of a value in fp32, what the files hold.
FP32: Final = 4
# onnxruntime fuses norms and activations into the products before them; what is left of the moved
# values of an eager model is assumed to be half to all of it.
FUSED: Final = (0.5, 0.75, 1.0)
# PCIe 3.0 x16 moves 12 GB/s; what goes over it, the picture and the map, is counted once each way.
BUS_BYTES_S: Final = 12e9
# Everything around the network, s of one core of a server CPU for a photo of 12 MP, low, likely and
# high: reading pixels off the request, shrinking, the map enlarged, colours, the answer.
AROUND_S_12MP: Final = (0.4, 0.8, 1.6)
# Of the edge step, s of CPU at 12 MP: nothing, the guided filter's bound, matting's.
EDGE_S_12MP: Final[Mapping[str, tuple[float, float, float]]] = MappingProxyType(
    {"none": (0.0, 0.0, 0.0), "guided": (0.3, 0.6, 1.0), "matting": (1.0, 2.0, 4.0)}
)
MEGAPIXELS: Final = 12.0


@dataclass(frozen=True)
class View:
    """A network at one size of picture.

    Attributes:
        network: its name.
        width: of the picture that it sees, px.
        height: likewise.
        work: of one picture.
        peak_gib: of what lives at once in an eager fp32 run, weights left out, GiB.
    """

    network: str
    width: int
    height: int
    work: Work
    peak_gib: float


def _inspyrenet(
    width: int, height: int, products: float, attention: float, moved: float, peak_gib: float
) -> View:
    work = Work(products, attention, INSPYRENET_WEIGHTS, moved, kernels=3200)
    return View("inspyrenet", width, height, work, peak_gib)


# By preset: what the network sees of a photo of 4:3. `dynamic` bounds the shorter side, so that
# 1536 is 2048 x 1536, and 2048 is 2720 x 2048.
PRESET_VIEWS: Final[Mapping[str, View]] = MappingProxyType(
    {
        "fast": _inspyrenet(384, 384, 202.256e9, 7.327e9, 1.147e9, 0.315),
        "standard": _inspyrenet(1024, 1024, 1486.075e9, 78.910e9, 8.599e9, 2.238),
        "high": _inspyrenet(2048, 1536, 4337.729e9, 287.976e9, 24.252e9, 6.175),
        "maximum": _inspyrenet(2720, 2048, 7747.266e9, 615.255e9, 43.449e9, 10.728),
    }
)
# Squares, for photos that are as wide as high.
SQUARE_VIEWS: Final[Mapping[int, View]] = MappingProxyType(
    {
        1536: _inspyrenet(1536, 1536, 3236.083e9, 196.059e9, 17.766e9, 4.699),
        2048: _inspyrenet(2048, 2048, 5815.989e9, 419.688e9, 32.596e9, 8.144),
    }
)
PRESET_EDGES: Final = MappingProxyType(
    {"fast": "none", "standard": "guided", "high": "matting", "maximum": "matting"}
)


@dataclass(frozen=True)
class Modelled:
    """Seconds of one request on a card, one case of low, likely and high.

    Attributes:
        network: of the network's kernels.
        bus: of picture and map between host and card.
        edges: of the edge step on the CPU.
        around: of all else on the CPU.
    """

    network: float
    bus: float
    edges: float
    around: float

    @property
    def total(self) -> float:
        """Their sum: one after another."""
        return self.network + self.bus + self.edges + self.around


def network_seconds(view: View, case: str, card: Card = L4) -> float:
    """Return how long a network's kernels take in fp32.

    Products at the card's fp32 rate, attention's at a share of it, what is left of the moved values
    at the memory's rate, one after another; never less than launching them takes.

    Args:
        view: what is computed.
        case: low, likely or high.
        card: whose rates.
    """
    work = view.work
    left = Work(
        work.products,
        work.attention,
        work.weights,
        work.moved * FUSED[CASES.index(case)],
        work.kernels,
    )
    return card.seconds(left, "float32", case)


def modelled(preset: str, case: str, megapixels: float = MEGAPIXELS, card: Card = L4) -> Modelled:
    """Return what a preset takes with InSPyReNet for a photo of 4:3.

    Args:
        preset: one of PRESET_VIEWS.
        case: low, likely or high.
        megapixels: of the photo; what happens on the CPU grows with it.
        card: that the network runs on.
    """
    view, at, scale = PRESET_VIEWS[preset], CASES.index(case), megapixels / MEGAPIXELS
    moved = view.width * view.height * (3 + 1) * FP32
    return Modelled(
        network_seconds(view, case, card),
        moved / BUS_BYTES_S,
        EDGE_S_12MP[PRESET_EDGES[preset]][at] * scale,
        AROUND_S_12MP[at] * scale,
    )


def memory_gib(view: View) -> float:
    """Return what a card holds at once for a network: context, weights, what lives in a run."""
    return CONTEXT_GIB + view.work.weights * FP32 / 2**30 + view.peak_gib


def factor(view: View, other: View) -> float:
    """Return how many times the FLOP of another view one takes."""
    return view.work.flop / other.work.flop
