"""What presets take on a card, by arithmetic: `python -m perf.matting.cost`.

FLOP and moved values of InSPyReNet (SwinB, depth 64) are torch's own count on the class of
transparent-background 1.3.4 on the meta device: FlopCounterMode for products, every other kernel's
reads and writes for what is moved, the storages that live at once for the peak. Its three imports
of other packages that do no product were stood in for: timm's DropPath, which does nothing when a
network only answers, and kornia's dilation and erosion, which were max-pools.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click

from pawfect.costs import CASES
from pawfect.matting.presets import PRESETS
from perf.diffusion.cards import BYTES, CPU, L4, Card
from perf.diffusion.flops import Work
from perf.diffusion.memory import CONTEXT_GIB, NETWORK_PEAK_GIB, NETWORK_VALUES
from perf.publish import as_markdown as source_lines
from perf.publish import given_command, provenance, publish, table

NAME: Final = "matting-model"
DTYPE: Final = "float32"  # what the files hold and onnxruntime computes with
# Launched one by one by an eager module; onnxruntime fuses many and launches fewer.
KERNELS: Final = 3200
# Of the moved values: onnxruntime fuses norms and activations into what is before them. Assumed.
LEFT_MOVED: Final = (0.5, 0.75, 1.0)
# PCIe 4.0 x8 of an L4, bytes/s: 16 on paper, of which some 12 are had.
BUS_BYTES_S: Final = 12e9
# The photo that is modelled: 4:3, megapixels.
PHOTO_MP: Final = 12.0
# What does not run on the card for such a photo, s of a server CPU: low, likely, high. All assumed;
# high is about what `make matting` measured on two cores that ran other work too. Edges with
# colours; around them: the photo shrunk, the answer laid and written.
EDGES_S: Final[Mapping[str, tuple[float, float, float]]] = MappingProxyType(
    {"none": (0.4, 0.8, 2.5), "guided": (0.5, 1.0, 2.0), "matting": (1.5, 3.0, 6.0)}
)
AROUND_S: Final = (0.2, 0.4, 0.8)
# The goal for `standard` on an L4, s.
STANDARD_S: Final = 5.0
# Of a host beside an L4 that run the network where the card has no room for it, as the profile l4.
HOST_THREADS: Final = 4


@dataclass(frozen=True)
class View:
    """A network at one size of picture.

    Attributes:
        width: of the picture that it sees, px.
        height: likewise.
        work: of one picture.
        peak_gib: of what lives at once in an eager fp32 run, weights left out, GiB.
    """

    width: int
    height: int
    work: Work
    peak_gib: float

    @property
    def memory_gib(self) -> float:
        """What a card holds at once: a context, the weights, what lives in a run."""
        return CONTEXT_GIB + self.work.weights * BYTES[DTYPE] / 2**30 + self.peak_gib


def _view(
    width: int, height: int, products: float, attention: float, moved: float, gib: float
) -> View:
    return View(width, height, Work(products, attention, NETWORK_VALUES, moved, KERNELS), gib)


# What InSPyReNet computes by what it sees. `dynamic` bounds the shorter side: of a photo of 4:3
# 1536 is 2048 x 1536, and 2048 is 2720 x 2048.
VIEWS: Final = MappingProxyType(
    {
        (384, 384): _view(384, 384, 202.256e9, 7.327e9, 1.1469e9, 0.315),
        (1024, 1024): _view(1024, 1024, 1486.075e9, 78.910e9, 8.5993e9, 2.238),
        (1536, 1536): _view(1536, 1536, 3236.083e9, 196.059e9, 17.7659e9, 4.699),
        (2048, 1536): _view(2048, 1536, 4337.729e9, 287.976e9, 24.2516e9, 6.175),
        (2048, 2048): _view(2048, 2048, 5815.989e9, 419.688e9, 32.5956e9, 8.144),
        (2720, 2048): _view(2720, 2048, 7747.266e9, 615.255e9, 43.4491e9, NETWORK_PEAK_GIB),
    }
)


@dataclass(frozen=True)
class Modelled:
    """Seconds of one request on a card, in one case of low, likely and high.

    Attributes:
        network: of the network's kernels.
        bus: of picture and map between host and card.
        edges: of the edge step and the colours, on the CPU.
        around: of all else, on the CPU.
    """

    network: float
    bus: float
    edges: float
    around: float

    @property
    def total(self) -> float:
        """Their sum: one after another."""
        return self.network + self.bus + self.edges + self.around


def view_of(preset: str) -> View:
    """Return what InSPyReNet sees of a photo of 4:3 under a preset."""
    size, resize = PRESETS[preset].size, PRESETS[preset].resize
    # Sides are multiples of 32 px.
    width = size if resize == "static" else round(size * 4 / 3 / 32) * 32
    return VIEWS[width, size]


def network_seconds(view: View, case: str, card: Card = L4, threads: int = 1) -> float:
    """Return how long a network's kernels take in fp32, s.

    Products at the card's fp32 rate, attention's at a share of it, weights and what is left of the
    moved values at the memory's rate, one after another; never less than the launches.

    Args:
        view: what is computed.
        case: low, likely or high.
        card: whose rates.
        threads: of a CPU.
    """
    moved = view.work.moved * LEFT_MOVED[CASES.index(case)]
    return card.seconds(replace(view.work, moved=moved), DTYPE, case, threads)


def modelled(preset: str, case: str, card: Card = L4, threads: int = 1) -> Modelled:
    """Return what a preset takes with InSPyReNet for a photo of PHOTO_MP, s.

    Args:
        preset: one of PRESETS.
        case: low, likely or high.
        card: that the network runs on.
        threads: of a CPU.
    """
    view, at = view_of(preset), CASES.index(case)
    # Three channels there, one back.
    over_bus = 0 if card is CPU else view.width * view.height * (3 + 1) * BYTES[DTYPE]
    return Modelled(
        network_seconds(view, case, card, threads),
        over_bus / BUS_BYTES_S,
        EDGES_S[PRESETS[preset].edges][at],
        AROUND_S[at],
    )


def result() -> dict[str, Any]:
    """Return all of the model as plain data."""
    return {
        "views": [
            {
                "width": view.width,
                "height": view.height,
                "tflop": view.work.flop / 1e12,
                "of_1024": view.work.flop / VIEWS[1024, 1024].work.flop,
                "moved_gb": view.work.moved * BYTES[DTYPE] / 1e9,
                "seconds": {case: network_seconds(view, case) for case in CASES},
                "memory_gib": view.memory_gib,
            }
            for view in VIEWS.values()
        ],
        "presets": {
            name: {case: asdict(modelled(name, case)) for case in CASES} for name in PRESETS
        },
        "on_the_host": {
            name: {case: asdict(modelled(name, case, CPU, HOST_THREADS)) for case in CASES}
            for name in PRESETS
        },
    }


def as_markdown(found: dict[str, Any]) -> str:
    """Return the model as tables, with the arithmetic of `standard`."""
    views = (
        (
            f"{view['width']}x{view['height']}",
            f"{view['tflop']:.2f}",
            f"{view['of_1024']:.2f}",
            f"{view['moved_gb']:.1f}",
            *(f"{view['seconds'][case]:.2f}" for case in CASES),
            f"{view['memory_gib']:.1f}",
        )
        for view in found["views"]
    )
    head = ("sees, px", "TFLOP", "of 1024's", "moved, GB", *(f"s, {c}" for c in CASES), "GiB")
    return "\n".join(
        (
            _TEXT,
            table(head, views),
            _REQUEST,
            _preset_table(found["presets"]),
            _HOST,
            _preset_table(found["on_the_host"]),
            _arithmetic(),
        )
    )


def _preset_table(presets: Mapping[str, Any]) -> str:
    rows = (
        (
            name,
            f"{view_of(name).width}x{view_of(name).height}",
            *(f"{sum(cases['likely'][part] for part in parts):.2f}" for parts in _PARTS),
            *(f"{sum(cases[case].values()):.1f}" for case in CASES),
        )
        for name, cases in presets.items()
    )
    names = ("preset", "sees", "network and bus", "edges", "around", *(f"s, {c}" for c in CASES))
    return table(names, rows)


_PARTS: Final = (("network", "bus"), ("edges",), ("around",))
_TEXT: Final = (
    "**Every second here is modelled, none is measured: no L4 was at hand.** InSPyReNet with SwinB "
    "in fp32. FLOP and moved values are counted on the real class (see perf/matting/cost.py), "
    "rates are those of perf/diffusion/cards.py. Memory: a context of "
    f"{CONTEXT_GIB} GiB, the weights, and what lives at once in an eager run; onnxruntime's own "
    "arena may hold more.\n"
)
_REQUEST: Final = (
    f"A request with a photo of {PHOTO_MP:.0f} MP, 4:3, likely by part, then low, likely, high of "
    "all. What runs on the CPU is assumed, not counted.\n"
)


_HOST: Final = (
    f"The same with the network on {HOST_THREADS} threads of the host's CPU, where the card has no "
    "room: so the profile l4 has it, whose card FLUX, SAM3 and Florence-2 fill.\n"
)


def _arithmetic() -> str:
    """Return how the likely seconds of `standard` come about, in one line a term."""
    view, card, case = view_of("standard"), L4, "likely"
    work, at = view.work, CASES.index(case)
    rate, moved = card.flop_s(DTYPE, case), card.moved_s(case)
    left = (work.weights + work.moved * LEFT_MOVED[at]) * BYTES[DTYPE]
    parts = modelled("standard", case)
    lines = (
        f"products {work.products / 1e12:.3f} TFLOP / {rate / 1e12:.0f} TFLOP/s = "
        f"{work.products / rate:.3f} s",
        f"attention {work.attention / 1e12:.3f} TFLOP / ({rate / 1e12:.0f} x "
        f"{card.attention[at]}) = {work.attention / rate / card.attention[at]:.3f} s",
        f"moved {left / 1e9:.1f} GB / {moved / 1e9:.0f} GB/s = {left / moved:.3f} s",
        f"picture and map over the bus {parts.bus * BUS_BYTES_S / 1e6:.0f} MB / "
        f"{BUS_BYTES_S / 1e9:.0f} GB/s = {parts.bus:.3f} s",
        f"edges {parts.edges:.1f} s, around {parts.around:.1f} s of CPU",
    )
    worst = modelled("standard", "high").total
    return (
        "`standard` on an L4, likely:\n\n"
        + "".join(f"- {line}\n" for line in lines)
        + f"\nTogether {parts.total:.2f} s, at the slowest rates {worst:.2f} s; the goal is under "
        f"{STANDARD_S:.0f} s.\n"
    )


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(out: Path) -> None:
    """Model what presets take on an L4, and publish it."""
    found = result()
    source = provenance(given_command("python -m perf.matting.cost"), ())
    page = f"# Background removal on an L4, modelled\n\n{source_lines(source)}\n"
    page += as_markdown(found)
    publish(out, NAME, {"provenance": source, **found}, page)
    click.echo(page)


if __name__ == "__main__":
    main()
