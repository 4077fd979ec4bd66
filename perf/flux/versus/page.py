"""The comparison's result as one page of Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perf.flux.versus.run import OWN_STEPS, PIPELINE_STEPS, WINDOW_PX, Bound, Counted
from perf.publish import as_markdown


@dataclass(frozen=True)
class Result:
    """All that one run found.

    Attributes:
        source: provenance.
        parameters: of the checkpoint, by module.
        counted: the product's fills, that of WINDOW_PX first.
        whole: the pipeline's.
        full_size: the same at full size, the pipeline's last.
        seconds: by run, one figure a round; empty where nothing was timed.
        bounds: what was asked.
    """

    source: Mapping[str, Any]
    parameters: Mapping[str, int]
    counted: Sequence[Counted]
    whole: Counted
    full_size: Sequence[Counted]
    seconds: Mapping[str, Sequence[float]]
    bounds: Sequence[Bound]

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        return {
            "provenance": dict(self.source),
            "parameters": dict(self.parameters),
            "product": [_plain(item) for item in self.counted],
            "pipeline": _plain(self.whole),
            "full_size": [_plain(item) for item in self.full_size],
            "seconds": {name: list(values) for name, values in self.seconds.items()},
            "bounds": [
                {"name": b.name, "measured": b.measured, "least": b.least, "reached": b.reached}
                for b in self.bounds
            ],
        }


def markdown(result: Result) -> str:
    """Return the result as one page."""
    millions = ", ".join(f"{name} {n / 1e6:.1f}" for name, n in result.parameters.items())
    lines = [
        "# `inpaint` against FluxFillPipeline on the whole image",
        "",
        as_markdown(dict(result.source)),
        f"One checkpoint on both sides, random weights from a seed, millions of parameters: "
        f"{millions}. The reference scene, 1600x1200. `inpaint` is the server's own orchestration "
        f"with its loaders, called in this process (mask cleanup, the patch engine's floor, text, "
        f"VAE, {OWN_STEPS} steps, compositing), with `window_px={WINDOW_PX}` and 128 text tokens; "
        "the pipeline is diffusers' own at its default 1024x1024 and 512 text tokens. FLOP are "
        "FlopCounterMode's with the CPU's attention added; patches and compositing, which are no "
        "tensor work, are in the wall time alone.",
        "",
        "| asked | measured | at least | reached |",
        "|---|---|---|---|",
        *(
            f"| {bound.name} | {bound.measured:.2f} times | {bound.least:g} "
            f"| {'yes' if bound.reached else 'NO'} |"
            for bound in result.bounds
        ),
        *_seconds(result.seconds),
        "",
        "## FLOP by working size, this checkpoint",
        "",
        *_flop(result.counted, result.whole),
        "",
        "Left to itself, `inpaint` takes the smallest size that holds the hole with its context "
        "pixel for pixel. What a smaller one saves is paid in pixels: the scale, beside the "
        "pipeline's own.",
        "",
        "## The same fills at full size, by formula",
        "",
        *_flop(result.full_size[:-1], result.full_size[-1]),
    ]
    return "\n".join(lines) + "\n"


def _plain(item: Counted) -> dict[str, Any]:
    return {**vars(item), "flop": dict(item.flop), "scale": round(item.scale, 4)}


def _seconds(seconds: Mapping[str, Sequence[float]]) -> list[str]:
    if not seconds:
        return []
    names = {
        "product": f"`inpaint`, {OWN_STEPS} steps",
        "equal": f"pipeline, {OWN_STEPS} steps",
        "own": f"pipeline, {PIPELINE_STEPS} steps",
    }
    return [
        "",
        "Wall time in turns, the order reversed each round; ratios are medians of the rounds'.",
        "",
        "| run | median, s | each round, s |",
        "|---|---|---|",
        *(
            f"| {names[name]} | {statistics.median(values):.1f} "
            f"| {', '.join(f'{value:.1f}' for value in values)} |"
            for name, values in seconds.items()
        ),
    ]


def _flop(items: Sequence[Counted], whole: Counted) -> list[str]:
    lines = [
        f"| worked on | scale | text | VAE in | a step | VAE out | {OWN_STEPS} steps "
        f"| times less at {OWN_STEPS} | times less than {PIPELINE_STEPS} |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for item in (*items, whole):
        asked = "its own choice" if item.window_px is None else f"`window_px={item.window_px}`"
        what = "pipeline, whole image" if item is whole else asked
        x0, y0, x1, y1 = item.box
        stages = " | ".join(f"{value / 1e12:.3f}" for value in item.flop.values())
        ratios = " | ".join(
            f"{whole.total(steps) / item.total(OWN_STEPS):.2f}"
            for steps in (OWN_STEPS, PIPELINE_STEPS)
        )
        lines.append(
            f"| {what}: {x1 - x0}x{y1 - y0} px at {item.canvas[1]}x{item.canvas[0]} "
            f"| {item.scale:.2f} | {stages} | {item.total(OWN_STEPS) / 1e12:.2f} | {ratios} |"
        )
    return [*lines, "", "TFLOP; scale: worked-on pixels per pixel of the photo, along a side."]
