"""`make versus`: what the window and the product's settings save, counted, timed and written.

`inpaint` against FluxFillPipeline on the whole image, one checkpoint of random weights on both
sides. It is large enough that arithmetic takes the time, as it does at full size, and not the calls
around it. The transformer keeps FLUX's head width and few, wide blocks: with d = 1536 its linear
layers weigh twice as much as attention at 1024 px, where at full size (d = 3072) they weigh four
times as much. The VAE is the tiny one's: beside a step it takes about the share that the published
one takes at full size.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click

from pawfect.profile import Profile, load_profile
from pawfect_export.tiny import flux as tiny
from perf.diffusion import flops
from perf.diffusion.published import FLUX, FLUX_AUTOENCODER
from perf.diffusion.sides import SEED, STAGES, Pipeline, Product
from perf.publish import as_markdown, provenance, publish, table
from perf.scenes import Scene, load_scene

BUILD: Final = Path("build/versus")
PACKAGES: Final = ("pawfect", "numpy", "torch", "diffusers", "transformers",
                   "opencv-contrib-python-headless", "numba")  # fmt: skip
# Entries of the modules' configs that differ from the tiny checkpoint's.
SIZES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "small": {},
        "large": {
            "transformer": {
                "attention_head_dim": 128,
                "axes_dims_rope": [16, 56, 56],
                "num_attention_heads": 12,
                "num_layers": 1,
                "num_single_layers": 1,
                "joint_attention_dim": 512,
                "pooled_projection_dim": 256,
            },
            "text_encoder": {"hidden_size": 256, "intermediate_size": 1024, "projection_dim": 256},
            "text_encoder_2": {"d_ff": 1280, "d_kv": 64, "d_model": 512, "num_heads": 8},
        },
    }
)
# The product's own steps, and the pipeline's in today's service.
OWN_STEPS: Final = 8
PIPELINE_STEPS: Final = 28
# The window that the bounds are asked of, and all that are counted; None: the smallest that holds
# the hole and its context pixel for pixel.
WINDOW_PX: Final = 512
WINDOWS_PX: Final = (WINDOW_PX, 768, None)
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
        return sum(self.flop.values()) + (steps - 1) * self.flop["flux_transformer"]

    @property
    def scale(self) -> float:
        """Worked-on pixels per pixel of the photo, along a side."""
        x0, y0, x1, y1 = self.box
        return float((self.canvas[0] * self.canvas[1] / ((x1 - x0) * (y1 - y0))) ** 0.5)

    def at_full_size(self, text_tokens: int, encodings: int) -> Counted:
        """Return the same fill as FLUX.1-Fill at full size would take it.

        Args:
            text_tokens: of T5, whose work grows with them.
            encodings: how often the VAE encodes.
        """
        pixels, coders = self.canvas[0] * self.canvas[1], FLUX_AUTOENCODER
        found = {
            "flux_text_encoder": flops.TEXT.flop * text_tokens / 128,
            "flux_vae_encoder": encodings * flops.coder_work(coders.encode, pixels).flop,
            "flux_transformer": flops.network_work(FLUX, pixels / 256, text_tokens).flop,
            "flux_vae_decoder": flops.coder_work(coders.decode, pixels).flop,
        }
        return replace(self, flop={stage: round(flop) for stage, flop in found.items()})


def profile_of(size: str, sizes: tuple[int, ...]) -> Profile:
    """Return the tiny profile with a checkpoint of SIZES and other working sizes, px.

    SAM3 and Florence-2 are left out: the request brings its labels, as it does after the queue.
    """
    profile = load_profile("tiny")
    assert profile.flux is not None
    config = {**tiny.TRANSFORMER, **SIZES[size].get("transformer", {})}
    flux = replace(
        profile.flux,
        sizes=sizes,
        steps=OWN_STEPS,
        text_width=config["joint_attention_dim"],
        pooled_width=config["pooled_projection_dim"],
    )
    return replace(profile, name=f"versus-{size}", flux=flux, sam3=None, florence2=None)


def count_product(product: Product, photo: Scene, window_px: int | None) -> tuple[Counted, str]:
    """Count one fill of one step; return it and the prompt that the product chose."""
    report = product.count(photo, 1, window_px).report
    if report.engine != "flux" or report.fallbacks or len(report.windows) != 1:
        raise RuntimeError(f"expected one window filled by FLUX alone, got {report.to_json()}")
    counted = Counted(window_px, report.windows[0].box, product.canvas, product.flop)
    return counted, report.prompt or ""


def count_pipeline(pipeline: Pipeline, photo: Scene, prompt: str) -> Counted:
    """Count one fill of one step of the whole image."""
    pipeline.count(photo, 1, prompt)
    height, width = photo.mask.shape
    return Counted(None, (0, 0, width, height), (pipeline.px, pipeline.px), pipeline.flop)


def timed_rounds(
    product: Product, pipeline: Pipeline, photo: Scene, prompt: str, rounds: int
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
            click.echo(f"round {number + 1} of {rounds}: {name} {seconds[name][-1]:.1f} s")
    return seconds


def bounds(
    own: Counted, whole: Counted, seconds: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """Compare what was found with what was asked; wall times as medians of each round's ratio."""
    asked = []
    unequally = f", {OWN_STEPS} steps against {PIPELINE_STEPS}"
    for run, steps, name, bound, wall_bound in (
        ("equal", OWN_STEPS, f" at {OWN_STEPS} steps each", FLOP_BOUND, WALL_BOUND),
        ("own", PIPELINE_STEPS, unequally, OWN_BOUND, OWN_BOUND),
    ):
        asked.append((f"FLOP{name}", whole.total(steps) / own.total(OWN_STEPS), bound))
        if seconds:
            pairs = zip(seconds["product"], seconds[run], strict=True)
            ratio = statistics.median(b / a for a, b in pairs)
            asked.append((f"wall time{name}", ratio, wall_bound))
    return [
        {"name": name, "measured": measured, "least": least, "reached": measured >= least}
        for name, measured, least in asked
    ]


def markdown(
    result: Mapping[str, Any], counted: Sequence[Counted], full_size: Sequence[Counted]
) -> str:
    """Return the result as one page; the pipeline's figures are the last of both sequences."""
    lines = [
        "# `inpaint` against FluxFillPipeline on the whole image\n",
        as_markdown(result["provenance"]),
        "One checkpoint on both sides, random weights from a seed, "
        f"{result['parameters'] / 1e6:.0f} million in its transformer. The reference scene, "
        "1600x1200. `inpaint` is the server's own orchestration with its loaders, called in this "
        f"process (mask cleanup, the patch engine's floor, text, VAE, {OWN_STEPS} steps, "
        f"compositing), with `window_px={WINDOW_PX}` and 128 text tokens; "
        "the pipeline is diffusers' own at its default 1024x1024 and 512 text tokens. FLOP are "
        "FlopCounterMode's with the CPU's attention added; patches and compositing, which are no "
        "tensor work, are in the wall time alone.\n",
        table(
            ("asked", "measured", "at least", "reached"),
            (
                (bound["name"], f"{bound['measured']:.2f} times", f"{bound['least']:g}",
                 "yes" if bound["reached"] else "NO")
                for bound in result["bounds"]
            ),
        ),
        *_seconds(result["seconds"]),
        "## FLOP by working size, this checkpoint\n",
        _flop(counted),
        "Left to itself, `inpaint` takes the smallest size that holds the hole with its context "
        "pixel for pixel. What a smaller one saves is paid in pixels: the scale, beside the "
        "pipeline's own.\n",
        "## The same fills at full size, by formula\n",
        _flop(full_size),
    ]  # fmt: skip
    return "\n".join(lines)


def _seconds(seconds: Mapping[str, Sequence[float]]) -> list[str]:
    names = {
        "product": f"`inpaint`, {OWN_STEPS} steps",
        "equal": f"pipeline, {OWN_STEPS} steps",
        "own": f"pipeline, {PIPELINE_STEPS} steps",
    }
    rows = [
        (names[run], f"{statistics.median(values):.1f}", ", ".join(f"{v:.1f}" for v in values))
        for run, values in seconds.items()
    ]
    said = "Wall time in turns, the order reversed each round; ratios are medians of the rounds'.\n"
    return [said, table(("run", "median, s", "each round, s"), rows)] if rows else []


def _flop(items: Sequence[Counted]) -> str:
    head = ("worked on", "scale", "text", "VAE in", "a step", "VAE out", f"{OWN_STEPS} steps",
            f"times less at {OWN_STEPS}", f"times less than {PIPELINE_STEPS}")  # fmt: skip
    whole, rows = items[-1], []
    for item in items:
        asked = "its own choice" if item.window_px is None else f"`window_px={item.window_px}`"
        what = "pipeline, whole image" if item is whole else asked
        x0, y0, x1, y1 = item.box
        own = item.total(OWN_STEPS)
        rows.append(
            (
                f"{what}: {x1 - x0}x{y1 - y0} px at {item.canvas[1]}x{item.canvas[0]}",
                f"{item.scale:.2f}",
                *(f"{item.flop[stage] / 1e12:.3f}" for stage in dict.fromkeys(STAGES.values())),
                f"{own / 1e12:.2f}",
                *(f"{whole.total(steps) / own:.2f}" for steps in (OWN_STEPS, PIPELINE_STEPS)),
            )
        )
    said = "TFLOP; scale: worked-on pixels per pixel of the photo, along a side.\n"
    return f"{table(head, rows)}\n{said}"


@click.command()
@click.option("--size", type=click.Choice(list(SIZES)), default="large", show_default=True)
@click.option("--rounds", type=click.IntRange(0), default=3, show_default=True,
              help="Timed rounds; 0 only counts.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(size: str, rounds: int, out: Path) -> None:
    """Compare `inpaint` with FluxFillPipeline; exit code 1: a bound was missed."""
    # Whose working sizes and text length are the product's.
    settings = load_profile("t4").flux
    assert settings is not None
    folder, photo = BUILD / size, load_scene()
    tiny.build(folder, SEED, SIZES[size])
    product = Product.load(folder, profile_of(size, settings.sizes))
    pipeline = Pipeline.load(folder)
    click.echo("counting ...")
    found = [count_product(product, photo, window_px) for window_px in WINDOWS_PX]
    prompt = found[0][1]
    counted = [*(item for item, _ in found), count_pipeline(pipeline, photo, prompt)]
    # The pipeline reads 512 text tokens, and its VAE encodes twice.
    full_size = [item.at_full_size(settings.text_tokens, 1) for item in counted[:-1]]
    full_size.append(counted[-1].at_full_size(512, 2))
    seconds = timed_rounds(product, pipeline, photo, prompt, rounds) if rounds else {}

    def plain(item: Counted) -> dict[str, Any]:
        return asdict(item) | {"scale": round(item.scale, 4)}

    result = {
        "provenance": provenance(
            " ".join(["python -m perf.diffusion.versus", *sys.argv[1:]]), PACKAGES
        ),
        "parameters": sum(value.numel() for value in pipeline.pipe.transformer.parameters()),
        "product": [plain(item) for item in counted[:-1]],
        "pipeline": plain(counted[-1]),
        "full_size": [plain(item) for item in full_size],
        "seconds": seconds,
        "bounds": bounds(counted[0], counted[-1], seconds),
    }
    page = markdown(result, counted, full_size)
    publish(out, "versus", result, page)
    click.echo(page)
    sys.exit(not all(bound["reached"] for bound in result["bounds"]))


if __name__ == "__main__":
    main()
