"""`make versus`: what the window and the product's settings save, counted, timed and written.

`inpaint` against diffusers' own pipeline of the engine on the whole photo, one checkpoint of random
weights on both sides; how they are compared stands in `perf.diffusion.compared`.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from pawfect.chains import CHAINS
from pawfect.orchestrator.planner import steps_run
from perf.diffusion import flops
from perf.diffusion.compared import COMPARED, LARGE, SMALL, Compared
from perf.diffusion.counting import STAGES, Done
from perf.diffusion.pipelines import KINDS, Pipeline, Sampling
from perf.diffusion.product import SEED, Product
from perf.diffusion.published import NETWORKS
from perf.publish import as_markdown, provenance, publish, table
from perf.scenes import Scene, load_scene

BUILD: Final = Path("build/versus")
PACKAGES: Final = ("pawfect", "numpy", "torch", "diffusers", "transformers",
                   "opencv-contrib-python-headless", "numba")  # fmt: skip
# The window that the bounds are asked of, and all that are counted; None: the smallest that holds
# the hole and its context pixel for pixel.
WINDOW_PX: Final = 512
WINDOWS_PX: Final = (WINDOW_PX, 768, None)
# Asked of the window at equal steps (FLOP and wall time), and at each side's own steps.
FLOP_BOUND: Final = 3.0
WALL_BOUND: Final = 2.5
OWN_BOUND: Final = 10.0
# Of the pipelines, each of which takes the same.
COUNTED_STEPS: Final = 2
# Of a patch of Qwen2.5-VL's vision tower, px a side; four of them are a token.
PATCH_PX: Final = 14


@dataclass(frozen=True)
class Counted:
    """FLOP of one step and all that is around the steps, by stage.

    Attributes:
        window_px: asked of the product; None: its own choice.
        box: (x0, y0, x1, y1) of the photo that is worked on, px.
        canvas: (height, width) at which, px.
        flop: by stage, of a fill of one step.
        calls: by stage, of the same.
        tokens: of the picture, with its references, and of the text, of one item of a step.
        items: of a step: with a second branch of guidance two.
    """

    window_px: int | None
    box: tuple[int, int, int, int]
    canvas: tuple[int, int]
    flop: Mapping[str, int]
    calls: Mapping[str, int]
    tokens: tuple[int, int]
    items: int

    @classmethod
    def of(cls, done: Done, box: tuple[int, int, int, int], window_px: int | None) -> Counted:
        """Return what a fill of one step took."""
        flop, calls = ({stage: of[stage] for stage in STAGES} for of in (done.flop, done.calls))
        return cls(window_px, box, done.canvas, flop, calls, done.tokens, done.items)

    def total(self, steps: int) -> int:
        """Return the FLOP of a fill: every step takes the same."""
        return sum(self.flop.values()) + (steps - 1) * self.flop["step"]

    @property
    def scale(self) -> float:
        """Worked-on pixels per pixel of the photo, along a side."""
        x0, y0, x1, y1 = self.box
        return float((self.canvas[0] * self.canvas[1] / ((x1 - x0) * (y1 - y0))) ** 0.5)

    def at_full_size(self, engine: str, shown_px: int | None = None) -> Counted:
        """Return the same fill as the published model would take it.

        Args:
            engine: flux, klein or edit.
            shown_px: of the picture that a text encoder sees; None: as the product's does.
        """
        networks, pixels = NETWORKS[engine], self.canvas[0] * self.canvas[1]
        picture, text = self.tokens
        if networks.text is None:
            prompt = flops.TEXT.flop * text / 128
        else:
            prompt = flops.network_work(networks.text, 0, text).flop
        if networks.vision is not None:
            patches = networks.patches if shown_px is None else shown_px / PATCH_PX**2
            prompt += flops.network_work(networks.vision, patches, 0).flop
        step = flops.network_work(networks.transformer, picture, text, items=self.items)
        each = {
            "text": prompt,
            "encode": flops.coder_work(networks.autoencoder.encode, pixels).flop,
            "step": step.flop,
            "decode": flops.coder_work(networks.autoencoder.decode, pixels).flop,
        }
        times = {**self.calls, "step": 1}
        return replace(
            self, flop={stage: round(times[stage] * flop) for stage, flop in each.items()}
        )


def one_hole(scene: Scene) -> Scene:
    """Return a scene with its object alone marked.

    The specks of a user's mask are windows of their own; the pipeline has one for all.
    """
    return replace(scene, mask=scene.object_mask)


def count_product(product: Product, photo: Scene, window_px: int | None) -> tuple[Counted, str]:
    """Count one fill of one step; return it and the prompt that the product chose."""
    report = product.count(photo, 1, window_px).report
    if report.engine != product.engine or report.fallbacks or len(report.windows) != 1:
        raise RuntimeError(f"expected one window by {product.engine} alone, got {report.to_json()}")
    return Counted.of(product.done, report.windows[0].box, window_px), report.prompt or ""


def count_pipeline(pipeline: Pipeline, photo: Scene, prompt: str, guidance: float = 1.0) -> Counted:
    """Count one fill of the whole image, and return it as one of one step."""
    height, width = photo.mask.shape
    # Qwen-Image's schedule of a single step is no number.
    done = pipeline.count(photo, prompt, Sampling(COUNTED_STEPS, guidance))
    done.flop["step"] //= COUNTED_STEPS
    done.items //= COUNTED_STEPS
    return Counted.of(done, (0, 0, width, height), None)


@dataclass(frozen=True)
class Runs:
    """What is compared.

    Attributes:
        product: how the product denoises.
        equal: the pipeline as the product does.
        own: the pipeline in its own way.
    """

    product: Sampling
    equal: Sampling
    own: Sampling

    @classmethod
    def of(cls, compared: Compared) -> Runs:
        """Return the runs of an engine."""
        settings = compared.settings
        mine = Sampling(settings.steps, settings.guidance_scale, settings.strength)
        return cls(mine, mine, compared.own or mine)

    @property
    def alike(self) -> bool:
        """Whether the pipeline's own way is the product's."""
        return self.own == self.equal


def run_steps(sampling: Sampling) -> int:
    """Return the steps that are run: with a strength under 1 not all."""
    return steps_run(sampling.steps, sampling.strength)


def timed_rounds(
    product: Product, pipeline: Pipeline, photo: Scene, prompt: str, runs: Runs, rounds: int
) -> dict[str, list[float]]:
    """Time both sides in turns, in the other order each round; seconds by the runs of `Runs`."""
    work: dict[str, Callable[[], object]] = {
        "product": lambda: product.fill(photo, runs.product.steps, WINDOW_PX),
        "equal": lambda: pipeline.fill(photo, prompt, runs.equal),
    }
    if not runs.alike:
        work["own"] = lambda: pipeline.fill(photo, prompt, runs.own)
    seconds: dict[str, list[float]] = {name: [] for name in work}
    product.fill(photo, 1, WINDOW_PX)
    for number in range(rounds):
        for name in list(work) if number % 2 == 0 else reversed(work):
            start = time.perf_counter()
            work[name]()
            seconds[name].append(round(time.perf_counter() - start, 3))
            click.echo(f"round {number + 1} of {rounds}: {name} {seconds[name][-1]:.1f} s")
    return seconds


def bounds(
    own: Counted, whole: Mapping[str, Counted], runs: Runs, seconds: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """Compare what was found with what was asked; wall times as medians of each round's ratio.

    Args:
        own: the product's.
        whole: the pipeline's, by `equal` and `own`.
        runs: of the engine.
        seconds: of `timed_rounds`; empty: nothing was timed.
    """
    asked = []
    steps = run_steps(runs.product)
    ways = [("equal", f" at {steps} steps each", FLOP_BOUND, WALL_BOUND)]
    if not runs.alike:
        ways.append(("own", f", {steps} steps against {run_steps(runs.own)}", OWN_BOUND, OWN_BOUND))
    for run, name, bound, wall_bound in ways:
        theirs = whole[run].total(run_steps(getattr(runs, run)))
        asked.append((f"FLOP{name}", theirs / own.total(steps), bound))
        if seconds:
            pairs = zip(seconds["product"], seconds[run], strict=True)
            ratio = statistics.median(b / a for a, b in pairs)
            asked.append((f"wall time{name}", ratio, wall_bound))
    return [
        {"name": name, "measured": measured, "least": least, "reached": measured >= least}
        for name, measured, least in asked
    ]


def markdown(
    compared: Compared,
    result: Mapping[str, Any],
    counted: Sequence[Counted],
    full_size: Sequence[Counted],
) -> str:
    """Return the result of one engine as a page; the pipeline's figures are last in both sequences.

    Args:
        compared: the engine.
        result: as it is published.
        counted: the product's fills, then the pipeline's equal and own ones.
        full_size: the same by formula.
    """
    title, name = CHAINS[compared.engine].title, KINDS[compared.engine].name
    runs, settings = Runs.of(compared), compared.settings
    steps, refers = run_steps(runs.product), "with" if settings.refers else "without"
    lines = [
        f"# `inpaint` by {title} against {name} on the whole image\n",
        as_markdown(result["provenance"]),
        f"One checkpoint on both sides, `{result['size']}`, random weights from a seed, "
        f"{result['parameters'] / 1e6:.3g} million in its transformer. The reference scene, "
        "1600x1200. `inpaint` is the server's own orchestration with its loaders, called in this "
        "process (mask cleanup, the patch engine's floor, text, VAE, "
        f"{steps} steps, compositing), as profile `{compared.profile}` denoises ({refers} "
        f"references, guidance {settings.guidance_scale:g}, strength {settings.strength:g}), with "
        f"`window_px={WINDOW_PX}`; the pipeline is diffusers' own, at its default size of a "
        "megapixel. Text tokens of a step: "
        f"{counted[0].tokens[1]} and {counted[-1].tokens[1]}. FLOP are FlopCounterMode's with the "
        "CPU's attention added; patches and compositing, which are no tensor work, are in the wall "
        "time alone.\n",
        table(
            ("asked", "measured", "at least", "reached"),
            (
                (bound["name"], f"{bound['measured']:.2f} times", f"{bound['least']:g}",
                 "yes" if bound["reached"] else "NO")
                for bound in result["bounds"]
            ),
        ),
        *_seconds(runs, result["seconds"]),
        "## FLOP by working size, this checkpoint\n",
        _flop(runs, counted),
        "Left to itself, `inpaint` takes the smallest size that holds the hole with its context "
        "pixel for pixel. What a smaller one saves is paid in pixels: the scale, beside the "
        "pipeline's own.\n",
        "## The same fills at full size, by formula\n",
        _flop(runs, full_size),
    ]  # fmt: skip
    return "\n".join(lines)


def _seconds(runs: Runs, seconds: Mapping[str, Sequence[float]]) -> list[str]:
    names = {
        "product": f"`inpaint`, {run_steps(runs.product)} steps",
        "equal": f"pipeline, {run_steps(runs.equal)} steps",
        "own": f"pipeline, {run_steps(runs.own)} steps",
    }
    rows = [
        (names[run], f"{statistics.median(values):.1f}", ", ".join(f"{v:.1f}" for v in values))
        for run, values in seconds.items()
    ]
    said = "Wall time in turns, the order reversed each round; ratios are medians of the rounds'.\n"
    return [said, table(("run", "median, s", "each round, s"), rows)] if rows else []


def _flop(runs: Runs, items: Sequence[Counted]) -> str:
    steps, own_steps = run_steps(runs.product), run_steps(runs.own)
    *mine, equal, own = items
    theirs = {f"times less at {steps}": equal.total(steps)}
    if not runs.alike:
        theirs[f"times less than {own_steps}"] = own.total(own_steps)
    head = ("worked on", "scale", "text", "VAE in", "a step", "VAE out", f"{steps} steps", *theirs)
    named = [
        ("its own choice" if item.window_px is None else f"`window_px={item.window_px}`", item)
        for item in mine
    ]
    named.append(("pipeline, whole image", equal))
    if own != equal:
        named.append(("the same at its own guidance", own))
    rows = []
    for asked, item in named:
        (x0, y0, x1, y1), total = item.box, item.total(steps)
        rows.append(
            (
                f"{asked}: {x1 - x0}x{y1 - y0} px at {item.canvas[1]}x{item.canvas[0]}",
                f"{item.scale:.2f}",
                *(f"{item.flop[stage] / 1e12:.3f}" for stage in STAGES),
                f"{total / 1e12:.2f}",
                *(f"{whole / total:.2f}" for whole in theirs.values()),
            )
        )
    said = "TFLOP; scale: worked-on pixels per pixel of the photo, along a side.\n"
    return f"{table(head, rows)}\n{said}"


def compare(compared: Compared, size: str, rounds: int, out: Path) -> bool:
    """Compare one engine, publish it, and return whether all bounds were reached."""
    engine, photo, runs = compared.engine, one_hole(load_scene()), Runs.of(compared)
    folder = BUILD / f"{engine}-{size}"
    compared.build(folder, SEED, compared.sizes[size])
    profile = compared.profile_of(size, compared.settings.sizes)
    product, pipeline = Product.load(engine, folder, profile), Pipeline.load(engine, folder)
    click.echo(f"{engine}: counting ...")
    found = [count_product(product, photo, window_px) for window_px in WINDOWS_PX]
    prompt = found[0][1]
    equal = own = count_pipeline(pipeline, photo, prompt, runs.equal.guidance)
    if CHAINS[engine].negative and not runs.alike:
        own = count_pipeline(pipeline, photo, prompt, runs.own.guidance)
    counted = [*(item for item, _ in found), equal, own]
    # Where a text encoder sees pictures, the pipeline shows it the whole megapixel.
    shown = [*(None for _ in found), *(2 * [equal.canvas[0] * equal.canvas[1]])]
    full_size = [item.at_full_size(engine, px) for item, px in zip(counted, shown, strict=True)]
    seconds = timed_rounds(product, pipeline, photo, prompt, runs, rounds) if rounds else {}

    def plain(item: Counted) -> dict[str, Any]:
        return asdict(item) | {"scale": round(item.scale, 4)}

    result = {
        "provenance": provenance(
            " ".join(["python -m perf.diffusion.versus", *sys.argv[1:]]), PACKAGES
        ),
        "engine": engine,
        "size": size,
        "parameters": sum(value.numel() for value in pipeline.pipe.transformer.parameters()),
        "product": [plain(item) for item in counted[:-2]],
        "pipeline": {"equal": plain(equal), "own": plain(own)},
        "full_size": [plain(item) for item in full_size],
        "seconds": seconds,
        "bounds": bounds(counted[0], {"equal": equal, "own": own}, runs, seconds),
    }
    page = markdown(compared, result, counted, full_size)
    publish(out, "versus" if engine == "flux" else f"versus-{engine}", result, page)
    click.echo(page)
    return all(bound["reached"] for bound in result["bounds"])


@click.command()
@click.option("--engine", "engines", type=click.Choice(list(COMPARED)), multiple=True,
              help="One of those that are compared; may be repeated; by default all.")  # fmt: skip
@click.option("--size", type=click.Choice([SMALL, LARGE]),
              help="Of the checkpoint; by default each engine's largest.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(0), default=3, show_default=True,
              help="Timed rounds; 0 only counts.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(engines: tuple[str, ...], size: str | None, rounds: int, out: Path) -> None:
    """Compare `inpaint` with diffusers' own pipelines; exit code 1: a bound was missed."""
    chosen = [COMPARED[engine] for engine in engines or COMPARED]
    for compared in chosen:
        if size not in (None, *compared.sizes):
            problem = f"{compared.engine}: expected one of {', '.join(compared.sizes)}, got {size}"
            raise click.BadParameter(problem, param_hint="--size")
    reached = [compare(compared, size or compared.size, rounds, out) for compared in chosen]
    sys.exit(not all(reached))


if __name__ == "__main__":
    main()
