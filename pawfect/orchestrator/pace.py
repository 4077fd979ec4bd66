"""The pace of a run: what its steps really take, when it will end, how many it can still afford."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from pawfect.costs import Costs
from pawfect.diffusion.schedule import next_level
from pawfect.orchestrator import budget
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.planner import Plan, Wish, steps_run

# What stands for the costs of a card that are not known: steps in proportion to their tokens, and
# nothing but the reserve after them.
UNKNOWN: Final = Costs(
    step_ms=float,
    encode_ms=lambda pixels: 0.0,
    decode_ms=lambda pixels: 0.0,
    text_ms=0.0,
    labels_ms=0.0,
    rest_ms=lambda pixels: budget.RESERVE_MS,
)


class Pace:
    """Corrects a plan by the measured time of each step.

    All canvases of a request share one card, whose work is counted for all of them together.

    Args:
        wish: what is asked for.
        plan: how it is to be filled.
        costs: of the card; None where they are not known.
        control: the request's clock.
        slowness: the measured time of a step over the expected one, by an earlier run of the same
            request; None: not measured yet.

    Attributes:
        canvases: one for each of the plan's.
        slowness: as above; 1 before it is measured.
        predicted_ms: from the request's arrival to its answer, as predicted when each canvas at
            work had taken a step; None before.
    """

    def __init__(
        self,
        wish: Wish,
        plan: Plan,
        costs: Costs | None,
        control: Control,
        slowness: float | None = None,
    ) -> None:
        known = UNKNOWN if costs is None else costs
        steps = steps_run(plan.steps, wish.strength)
        self.canvases = [
            CanvasPace(
                self,
                steps,
                steps,
                known.step_ms(wish.seen_tokens(canvas, plan.size)),
                wish.encode_ms(canvas, plan.size, known),
                known.decode_ms(canvas.height * canvas.width),
            )
            for canvas in plan.canvases
        ]
        self.control = control
        self.costs_known = costs is not None
        self.slowness = 1.0 if slowness is None else slowness
        self.predicted_ms: float | None = None
        self._after_ms = known.rest_ms(wish.height * wish.width)
        self._after_ms += known.labels_ms * wish.checks_labels
        self._measured = 0 if slowness is None else 1
        # When steps ended, s, and what was expected of each, ms; the first entry is the start.
        self._ended: list[tuple[float, float]] = []

    @property
    def measured_slowness(self) -> float | None:
        """The slowness; None before the first step."""
        return self.slowness if self._measured else None

    @property
    def planned(self) -> int:
        """Steps that each canvas was to take."""
        return self.canvases[0].steps

    @property
    def taken(self) -> int:
        """Fewest steps that any canvas took."""
        return min(canvas.taken for canvas in self.canvases)

    def patience_ms(self) -> float:
        """Return how long a step may go on where the picture can be finished without it, ms."""
        return max(self.control.remaining_ms() - (1 + budget.SPREAD) * self._tail_ms(), 0.0)

    def again_ms(self) -> float:
        """Return what a second run of the same plan would take, ms."""
        steps = sum(canvas.steps * canvas.step_ms for canvas in self.canvases)
        coding = sum(canvas.decode_ms for canvas in self.canvases)
        coding *= (1 + 1 / budget.DECODE_PER_ENCODE) * self._slowness_of_coding()
        return steps * self.slowness + coding + self._after_ms

    def begin(self, canvas: CanvasPace) -> None:
        """Take note that a canvas begins its first step."""
        if not any(other.denoising for other in self.canvases):
            self._ended = [(self.control.clock(), 0.0)]
        canvas.denoising = True

    def replan(self, own: CanvasPace) -> None:
        """Take note of a canvas's step, and correct how many steps are left to each."""
        self._ended.append((self.control.clock(), own.step_ms))
        if not self._measure():
            return
        share = self._affordable_share(own)
        for canvas in self.canvases:
            sure = canvas.sure_steps(own)
            canvas.left = sure + math.floor(share * (canvas.ahead - sure) + 1e-6)
        if self.predicted_ms is None:
            steps = sum(canvas.left * canvas.step_ms for canvas in self.canvases)
            ends = self.control.elapsed_ms() + steps * self.slowness + self._tail_ms()
            self.predicted_ms = round(ends, 1)

    def _measure(self) -> bool:
        """Correct the slowness by what was done last; False before all at work took a step.

        Steps that run as one batch end together, others one by one. Both ways as many steps as
        there are canvases at work take the time from the end of the one before them to the end of
        the last.
        """
        abreast = sum(canvas.denoising for canvas in self.canvases)
        if len(self._ended) <= abreast:
            return False
        self._ended = self._ended[-1 - abreast :]
        spent_ms = (self._ended[-1][0] - self._ended[0][0]) * 1000
        measured = spent_ms / max(sum(expected for _, expected in self._ended[1:]), 1e-9)
        self._measured += 1
        weight = max(1 / self._measured, budget.NEWEST_STEP)
        self.slowness += weight * (measured - self.slowness)
        return True

    def _affordable_share(self, own: CanvasPace) -> float:
        """Return which share of the steps ahead fits into the time that is left, 0 to 1."""
        sure = sum(canvas.sure_steps(own) * canvas.step_ms for canvas in self.canvases)
        ahead = sum(canvas.ahead * canvas.step_ms for canvas in self.canvases)
        if ahead <= sure:
            return 1.0
        spare_ms = self.patience_ms() - (1 + budget.SPREAD) * sure * self.slowness
        wanted_ms = (1 + budget.STEPS_SPREAD) * (ahead - sure) * self.slowness
        return 1.0 if spare_ms >= wanted_ms else max(spare_ms, 0.0) / wanted_ms

    def _slowness_of_coding(self) -> float:
        """Return how slow the other stages are: a busy card slows all, a fast one only steps."""
        return max(self.slowness, 1.0) if self.costs_known else 1.0

    def _tail_ms(self) -> float:
        """Return what is still to come besides steps, ms."""
        coding = sum(canvas.coding_ms for canvas in self.canvases)
        return coding * self._slowness_of_coding() + self._after_ms


@dataclass(eq=False)
class CanvasPace:
    """One canvas on its way, with the times that are expected of it.

    Attributes:
        run: of all canvases.
        steps: that it was to take.
        left: steps that it is still to take.
        step_ms: of a step.
        encode_ms: of `flux_vae_encoder`; 0 once that is done.
        decode_ms: of `flux_vae_decoder`.
        at: steps of the schedule that lie behind it.
        taken: steps that it took.
        denoising: whether it is being denoised now.
        decoded: whether it is done.
    """

    run: Pace
    steps: int
    left: int
    step_ms: float
    encode_ms: float
    decode_ms: float
    at: int = 0
    taken: int = 0
    denoising: bool = False
    decoded: bool = False

    @property
    def ahead(self) -> int:
        """Steps of the schedule that lie ahead."""
        return self.steps - self.at

    @property
    def coding_ms(self) -> float:
        """Time of encoding and decoding still to come, ms."""
        return 0.0 if self.decoded else self.encode_ms + self.decode_ms

    def sure_steps(self, own: CanvasPace) -> int:
        """Return the steps that it takes whatever is decided after a step of `own`, 0 or 1.

        That is a step under way, or its first.
        """
        return 0 if self is own or not self.ahead else 1

    def encoded(self, spent_ms: float) -> None:
        """Take note of the time of encoding: without costs it tells that of decoding."""
        self.encode_ms = 0.0
        if not self.run.costs_known:
            for canvas in self.run.canvases:
                canvas.decode_ms = max(canvas.decode_ms, budget.DECODE_PER_ENCODE * spent_ms)

    def begins(self) -> None:
        """Take note that the first step begins."""
        self.run.begin(self)

    def stepped(self) -> int:
        """Take note of a step and return how many more there are to be, by `next_level`.

        They are 0 to the levels ahead: fewer where the run would otherwise be late, and more again
        where it turns out that it would not be.
        """
        before = self.at
        self.at += 1
        self.taken += 1
        self.left = min(self.left, self.ahead)
        self.run.replan(self)
        self.at = next_level(before, self.steps, self.left)
        self.denoising = self.left > 0
        return self.left

    def gives_up(self) -> None:
        """Take note that no further step is taken."""
        self.denoising, self.left, self.at = False, 0, self.steps

    def patience_ms(self) -> float:
        """Return how long a step may go on where the picture can be finished without it, ms."""
        return self.run.patience_ms()
