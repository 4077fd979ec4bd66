"""One run: both sides counted once and timed in turns, and what was asked of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from perf.flux import flops
from perf.flux.parameters import published
from perf.flux.versus.sides import Photo, Pipeline, Product

TRANSFORMER: Final = "flux_transformer"
# The product's own steps, and the pipeline's in today's service.
OWN_STEPS: Final = 8
PIPELINE_STEPS: Final = 28
# The window that the bounds are asked of, and the others that are counted beside it; None: the
# smallest that holds the hole and its context pixel for pixel.
WINDOW_PX: Final = 512
OTHERS: Final = (768, None)
# Asked of the window at equal steps (FLOP and wall time), and at each side's own steps.
FLOP_BOUND: Final = 3.0
WALL_BOUND: Final = 2.5
OWN_BOUND: Final = 10.0


@dataclass(frozen=True)
class Counted:
    """FLOP of one step and all that is around the steps, by stage.

    Attributes:
        window_px: asked of the product; None: its own choice.
        box: (x0, y0, x1, y1) of the photo that is worked on, px.
        canvas: (height, width) at which, px.
        flop: by stage, of a fill of one step.
    """

    window_px: int | None
    box: tuple[int, int, int, int]
    canvas: tuple[int, int]
    flop: Mapping[str, int]

    def total(self, steps: int) -> int:
        """Return the FLOP of a fill: every step takes the same."""
        return sum(self.flop.values()) + (steps - 1) * self.flop[TRANSFORMER]

    @property
    def scale(self) -> float:
        """Worked-on pixels per pixel of the photo, along a side."""
        x0, y0, x1, y1 = self.box
        return float((self.canvas[0] * self.canvas[1] / ((x1 - x0) * (y1 - y0))) ** 0.5)


@dataclass(frozen=True)
class Bound:
    """Something asked, and whether it is so."""

    name: str
    measured: float
    least: float

    @property
    def reached(self) -> bool:
        """Whether it is at least what was asked."""
        return self.measured >= self.least


def count_product(product: Product, photo: Photo, window_px: int | None) -> tuple[Counted, str]:
    """Count one fill of one step; return it and the prompt that the product chose."""
    canvases: list[tuple[int, int]] = []
    encode = product.functions["flux_vae_encoder"]

    def seen(inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        canvases.append(inputs["IMAGE"].shape[:2])
        return encode(inputs, parameters)

    watched = Product(product.deployment, {**product.functions, "flux_vae_encoder": seen})
    report = watched.count(photo, 1, window_px).report
    if report.engine != "flux" or report.fallbacks or len(report.windows) != 1:
        raise RuntimeError(f"expected one window filled by FLUX alone, got {report.to_json()}")
    counted = Counted(window_px, report.windows[0].box, canvases[0], dict(watched.flop))
    return counted, report.prompt or ""


def count_pipeline(pipeline: Pipeline, photo: Photo, prompt: str) -> Counted:
    """Count one fill of one step of the whole image."""
    pipeline.count(photo, 1, prompt)
    height, width = photo.mask.shape
    return Counted(None, (0, 0, width, height), (pipeline.px, pipeline.px), dict(pipeline.flop))


def timed_rounds(
    product: Product,
    pipeline: Pipeline,
    photo: Photo,
    prompt: str,
    rounds: int,
    say: Callable[[str], None],
) -> dict[str, list[float]]:
    """Time both sides in turns, in the other order each round, and return seconds by run.

    `product` is of OWN_STEPS steps, `equal` the pipeline's of as many, `own` of PIPELINE_STEPS.
    """
    runs: dict[str, Callable[[], object]] = {
        "product": lambda: product.fill(photo, OWN_STEPS, WINDOW_PX),
        "equal": lambda: pipeline.fill(photo, OWN_STEPS, prompt),
        "own": lambda: pipeline.fill(photo, PIPELINE_STEPS, prompt),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    product.fill(photo, 1, WINDOW_PX)
    for number in range(rounds):
        for name in list(runs) if number % 2 == 0 else reversed(runs):
            start = time.perf_counter()
            runs[name]()
            seconds[name].append(round(time.perf_counter() - start, 3))
            say(f"round {number + 1} of {rounds}: {name} {seconds[name][-1]:.1f} s")
    return seconds


def bounds(own: Counted, whole: Counted, seconds: Mapping[str, Sequence[float]]) -> list[Bound]:
    """Compare what was found with what was asked; wall times as medians of each round's ratio."""
    asked = [
        Bound(
            f"FLOP at {OWN_STEPS} steps each",
            whole.total(OWN_STEPS) / own.total(OWN_STEPS),
            FLOP_BOUND,
        ),
        Bound(
            f"FLOP, {OWN_STEPS} steps against {PIPELINE_STEPS}",
            whole.total(PIPELINE_STEPS) / own.total(OWN_STEPS),
            OWN_BOUND,
        ),
    ]
    if seconds:
        equal, theirs = (
            statistics.median(b / a for a, b in zip(seconds["product"], seconds[name], strict=True))
            for name in ("equal", "own")
        )
        asked += [
            Bound(f"wall time at {OWN_STEPS} steps each", equal, WALL_BOUND),
            Bound(f"wall time, {OWN_STEPS} steps against {PIPELINE_STEPS}", theirs, OWN_BOUND),
        ]
    return asked


def at_full_size(items: Sequence[Counted], whole: Counted, text_tokens: int) -> list[Counted]:
    """Return the same fills, the pipeline's last, as FLUX.1-Fill at full size would take them."""
    # The pipeline reads 512 text tokens, and its VAE encodes twice.
    shapes = [(item, text_tokens, 1) for item in items] + [(whole, 512, 2)]
    return [
        Counted(item.window_px, item.box, item.canvas, full_size_flop(item.canvas, tokens, times))
        for item, tokens, times in shapes
    ]


def full_size_flop(canvas: tuple[int, int], text_tokens: int, encodings: int) -> dict[str, int]:
    """Return the FLOP of each stage of a fill of one step at full size.

    Args:
        canvas: height and width of what is worked on, px, multiples of 16.
        text_tokens: of T5, whose work grows with them.
        encodings: how often the VAE encodes.
    """
    pixels = canvas[0] * canvas[1]
    vae, transformer = published("flux_vae").config, published("flux_transformer").config
    found = {
        "flux_text_encoder": flops.TEXT.flop * text_tokens / 128,
        "flux_vae_encoder": encodings * flops.vae_encode(vae, pixels).flop,
        "flux_transformer": flops.flux_step(transformer, pixels / 256, text_tokens).flop,
        "flux_vae_decoder": flops.vae_decode(vae, pixels).flop,
    }
    return {stage: round(flop) for stage, flop in found.items()}
