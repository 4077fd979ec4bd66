"""The page of `make versus`, one for each engine."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pawfect.chains import CHAINS
from perf.diffusion.compared import Compared
from perf.diffusion.counted import Counted, Runs, run_steps
from perf.diffusion.counting import STAGES
from perf.diffusion.pipelines import KINDS
from perf.publish import as_markdown, table

# The window that the bounds are asked of.
WINDOW_PX: Final = 512


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
        (
            names[run],
            f"{statistics.median(values):.1f}",
            ", ".join(f"{v:.1f}" for v in values),
            f"{times(seconds, run):.2f}",
        )
        for run, values in seconds.items()
    ]
    said = "Wall time in turns, the order reversed each round; ratios are medians of the rounds'.\n"
    head = ("run", "median, s", "each round, s", "times the product's")
    return [said, table(head, rows)] if rows else []


def times(seconds: Mapping[str, Sequence[float]], run: str) -> float:
    """Return how many times the product's a run took: the median of the rounds' ratios."""
    pairs = zip(seconds["product"], seconds[run], strict=True)
    return statistics.median(b / a for a, b in pairs)


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
