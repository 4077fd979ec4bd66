"""`python -m perf.faces`: seconds of one swapped face here, and modelled on a T4."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import psutil
from numpy.typing import NDArray

from pawfect.contract.faces import PIXEL_BOOSTS
from pawfect.costs import CASES
from pawfect.identity.alignment import NETWORK_PX, template
from pawfect.identity.inswapper import Swapper
from pawfect.identity.mask import own_weight
from pawfect.identity.paste import pasted
from pawfect.identity.swap import draw_face, five_points, in_scene
from perf.diffusion.cards import T4
from perf.faces.network import FILE, PUBLISHED_BYTES, build, work
from perf.peak_memory import PeakMemory
from perf.publish import as_markdown, given_command, provenance, publish, table

NAME: Final = "face-swap"
# The goal on a T4, at any boost, s.
GOAL_S: Final = 2.0
# A photo of 12 MP with a face of some 700 px.
PHOTO: Final = (3000, 4000)
FACE_PX: Final = 700
GIB: Final = 2**30


@dataclass(frozen=True)
class Measured:
    """One face at one boost on this machine.

    Attributes:
        boost: px.
        network_s: of the network's runs, s of the clock.
        network_cpu_s: the same, s of all cores.
        rest_s: of alignment, colour, what lies before the face, and laying it back, s of the clock.
        rest_cpu_s: the same, s of all cores.
    """

    boost: int
    network_s: float
    network_cpu_s: float
    rest_s: float
    rest_cpu_s: float


def photo() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a photo of noise, UINT8 [3000, 4000, 3], and five points in it: cost is the same."""
    pixels = np.random.default_rng(0).integers(90, 160, (*PHOTO, 3), np.uint8)
    pixels[..., 2] //= 2
    points = template(NETWORK_PX) * np.float32(FACE_PX / NETWORK_PX)
    return pixels, (points + np.array([1600, 1100], np.float32)).astype(np.float32)


def measured(swapper: Swapper, boost: int) -> Measured:
    """Swap one face."""
    pixels, points = photo()
    embedding = np.random.default_rng(1).normal(size=512).astype(np.float32)
    spent: dict[str, tuple[float, float]] = {}

    class Watch:
        def __init__(self, name: str) -> None:
            self._name = name

        def __enter__(self) -> None:
            self._began = time.perf_counter(), time.process_time()

        def __exit__(self, *caught: object) -> None:
            spent[self._name] = (
                time.perf_counter() - self._began[0],
                time.process_time() - self._began[1],
            )

    whole = Watch("whole")
    with whole:
        face = draw_face(pixels, points, embedding, swapper, boost, stage=Watch)
        weight, before = own_weight(pixels, five_points(points))
        pasted(pixels, in_scene(face, before), weight)
    (network_s, cpu_s), (whole_s, whole_cpu_s) = spent["swap"], spent["whole"]
    return Measured(boost, network_s, cpu_s, whole_s - network_s, whole_cpu_s - cpu_s)


def modelled(dtype: str) -> dict[int, dict[str, float]]:
    """Return seconds of a T4 by boost and case: each part of the square is a run of its own."""
    return {
        boost: {
            case: (boost // NETWORK_PX) ** 2 * T4.seconds(work(), dtype, case) for case in CASES
        }
        for boost in PIXEL_BOOSTS
    }


def page(result: Mapping[str, Any]) -> str:
    """Return the page."""
    rows = [
        (
            f"{row['boost']}",
            (row["boost"] // NETWORK_PX) ** 2,
            f"{row['network_s']:.1f}",
            f"{row['network_cpu_s']:.1f}",
            f"{row['rest_s']:.2f}",
            f"{row['rest_cpu_s']:.2f}",
        )
        for row in result["measured"]
    ]
    cases = [
        (dtype, boost, *(f"{by_case[case]:.3f}" for case in CASES))
        for dtype, by_boost in result["t4_modelled_s"].items()
        for boost, by_case in by_boost.items()
    ]
    within = "kept" if result["t4_goal_kept"] else "missed"
    head = ("pixel_boost", "runs", "network, s", "network, CPU s", "all else, s", "all else, CPU s")
    return f"""# What swapping a face takes

{as_markdown(result["source"])}
One face of some {FACE_PX} px in a photo of 12 MP, by a network of inswapper_128's layers and shapes
with random weights: {result["weights"] / 1e6:.1f} M of them ({result["file_bytes"]:,} bytes; the
published file has {PUBLISHED_BYTES:,}), {result["gflop"]:.0f} GFLOP a run. What the pixels are does
not matter for what it costs.

## Measured on this machine's CPU

onnxruntime with {result["threads"]} threads, float32; load of the machine before: {result["load"]}.
Where other work runs beside it, the CPU's seconds say more than the clock's. Loading took
{result["load_s"]:.1f} s; the process held {result["peak_gib"]:.2f} GiB at most.

{table(head, rows)}
At 512 px two cores take longer than the 30 s that a request of `face_swap` has by default; the
profiles' budget is for its default, 256.

## Modelled on a T4

**No T4 was at hand.** FLOP over the rate that a T4 sustains (perf/diffusion/cards.py: fp16 20 to 32
TFLOP/s of the data sheet's 65, fp32 4 to 6), weights and activations over its memory's rate, as
perf/results/t4-model.md does. The network alone; all else runs on the CPU as above.

{table(("precision", "pixel_boost", *(f"{case}, s" for case in CASES)), cases)}
The goal, under {GOAL_S:.0f} s on a T4 at 512 px in float32, slowest case, is {within}. Beside
FLUX.1-Fill a T4 has no room for it (13.8 of 14.7 GiB): the profiles run it on the CPU.
"""


@click.command()
@click.option(
    "--out", default="perf/results", type=click.Path(path_type=Path), metavar="DIR",
    help="Where the results go.",
)  # fmt: skip
@click.option("--threads", default=os.cpu_count() or 1, help="Of onnxruntime.")
@click.option("--boost", "boosts", multiple=True, type=int, help="Measure only these sides, px.")
def main(out: Path, threads: int, boosts: tuple[int, ...]) -> None:
    """Measure and model one swapped face; write face-swap.json and face-swap.md."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "random-inswapper"
        build(folder)
        size = (folder / FILE).stat().st_size
        with PeakMemory(lambda: float(psutil.Process().memory_info().rss), 0.05) as memory:
            began = time.perf_counter()
            swapper = Swapper.load(folder, threads)
            load_s = time.perf_counter() - began
            rows = [measured(swapper, boost) for boost in boosts or PIXEL_BOOSTS]
    seconds = {dtype: modelled(dtype) for dtype in ("float16", "float32")}
    result = {
        "source": provenance(
            given_command("python -m perf.faces"),
            ("pawfect", "numpy", "onnx", "onnxruntime", "opencv-contrib-python-headless"),
        ),
        "threads": threads,
        "load": round(load, 1),
        "weights": work().weights,
        "file_bytes": size,
        "gflop": work().flop / 1e9,
        "load_s": load_s,
        "peak_gib": memory.bytes / GIB,
        "measured": [asdict(row) for row in rows],
        "t4_modelled_s": seconds,
        "t4_goal_kept": seconds["float32"][512]["high"] < GOAL_S,
    }
    publish(out, NAME, result, page(result))
    click.echo(page(result))


if __name__ == "__main__":
    main()
