"""Fills of both sides, counted: the product's in a window, the pipeline's of the whole image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pawfect.orchestrator.planner import steps_run
from perf.diffusion import flops
from perf.diffusion.compared import Compared
from perf.diffusion.counting import STAGES, Done
from perf.diffusion.pipelines import Pipeline, Sampling
from perf.diffusion.product import Product
from perf.diffusion.published import NETWORKS
from perf.scenes import Scene

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
