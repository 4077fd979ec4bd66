"""The pace of a run: what its steps really take, when it will end, how many it can still afford."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from pawfect.costs import Costs
from pawfect.flux.schedule import next_level
from pawfect.orchestrator.control import RESERVE_MS, Control
from pawfect.orchestrator.planner import Plan, Wish, steps_run

# How far a step may be off the mean, as a share of it; n steps together are off by the root of n
# times that.
SPREAD: Final = 0.3
# Weight of a new step in the running mean, once there are so many: about the last six count, so
# that a card which others begin to use is noticed in time.
WEIGHT: Final = 0.3
# Time of decoding for each of encoding, where costs are not known: the decoder of FLUX's VAE
# computes 2.3 times what its encoder does.
DECODE_PER_ENCODE: Final = 2.5
# What stands for the costs of a card that are not known: steps in proportion to their tokens, and
# nothing but the reserve after them.
UNKNOWN: Final = Costs(
    step_ms=float,
    encode_ms=lambda pixels: 0.0,
    decode_ms=lambda pixels: 0.0,
    text_ms=0.0,
    labels_ms=0.0,
    rest_ms=lambda pixels: RESERVE_MS,
)


@dataclass
class _Canvas:
    """One canvas on its way: expected times, ms, and where it stands.

    Attributes:
        step_ms: of a step.
        steps: that it was to take.
        encode: of `flux_vae_encoder`.
        decode: of `flux_vae_decoder`.
        at: steps of the schedule that lie behind it.
        left: steps that it is still to take.
        taken: steps that it took.
        begun: whether it is denoised now.
        ended: whether it is decoded.
    """

    step_ms: float
    steps: int
    encode: float
    decode: float
    left: int
    at: int = 0
    taken: int = 0
    begun: bool = False
    ended: bool = False

    @property
    def room(self) -> int:
        """Steps of the schedule that lie ahead."""
        return self.steps - self.at

    def sure(self, own: _Canvas) -> int:
        """Return the steps that it takes whatever is decided: one under way, or its first."""
        return 0 if self is own or not self.room else 1


class Pace:
    """Corrects a plan by the measured time of each step.

    All canvases of a request share one card, whose work is counted for all of them together.

    Args:
        wish: what is asked for.
        plan: how it is to be filled.
        costs: of the card; None where they are not known.
        control: the request's clock.
        slowness: the measured time of a step over the expected one, where an earlier run of the
            same request has told it.
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
        self._known = costs is not None
        self._control = control
        self._canvases = []
        for canvas in plan.canvases:
            steps, pixels = steps_run(plan.steps, wish.strength), canvas.height * canvas.width
            self._canvases.append(
                _Canvas(
                    known.step_ms(canvas.tokens), steps,
                    known.encode_ms(pixels), known.decode_ms(pixels), steps,
                )
            )  # fmt: skip
        self._after_ms = known.rest_ms(wish.height * wish.width)
        self._after_ms += known.labels_ms * wish.checks_labels
        self.slowness = 1.0 if slowness is None else slowness
        self._measured = 0 if slowness is None else 1
        # When steps ended, s, and what was expected of each, ms; the first entry is the start.
        self._done: list[tuple[float, float]] = []
        self.predicted_ms: float | None = None

    @property
    def known_slowness(self) -> float | None:
        """How slow steps are against what was expected; None before the first one."""
        return self.slowness if self._measured else None

    @property
    def planned(self) -> int:
        """Steps that each canvas was to take."""
        return self._canvases[0].steps

    @property
    def taken(self) -> int:
        """Fewest steps that any canvas took."""
        return min(canvas.taken for canvas in self._canvases)

    def encoded(self, index: int, spent_ms: float) -> None:
        """Take note of the time of a canvas's encoding: without costs it tells the decoding's."""
        self._canvases[index].encode = 0.0
        if not self._known:
            for canvas in self._canvases:
                canvas.decode = max(canvas.decode, DECODE_PER_ENCODE * spent_ms)

    def begins(self, index: int) -> None:
        """Take note that a canvas begins its first step."""
        if not any(canvas.begun for canvas in self._canvases):
            self._done = [(self._control.clock(), 0.0)]
        self._canvases[index].begun = True

    def ends(self, index: int) -> None:
        """Take note that a canvas is decoded."""
        self._canvases[index].ended = True

    def stepped(self, index: int) -> int:
        """Take note of a step and say how many more the canvas is to take.

        The canvas then goes on by `next_level`.

        Args:
            index: of the canvas.

        Returns:
            0 to the levels ahead: fewer where the run would otherwise be late, and more again where
            it turns out that it would not be.
        """
        own = self._canvases[index]
        self._done.append((self._control.clock(), own.step_ms))
        own.taken += 1
        before = own.at
        own.at += 1
        if self._learn():
            share = self._affordable_share(own)
            for canvas in self._canvases:
                sure = canvas.sure(own)
                canvas.left = sure + math.floor(share * (canvas.room - sure) + 1e-6)
            if self.predicted_ms is None:
                self.predicted_ms = self._prediction_ms()
        else:
            own.left = min(own.left, own.room)
        own.at = next_level(before, own.steps, own.left)
        own.begun = own.left > 0
        return own.left

    def gives_up(self, index: int) -> None:
        """Take note that a canvas takes no further step."""
        canvas = self._canvases[index]
        canvas.begun, canvas.left, canvas.at = False, 0, canvas.steps

    def patience_ms(self) -> float:
        """Return how long a step may go on where the picture can be finished without it, ms."""
        return max(self._control.remaining_ms() - (1 + SPREAD) * self._tail_ms(), 0.0)

    def again_ms(self) -> float:
        """Return what a second run of the same plan would take, ms."""
        steps = sum(canvas.steps * canvas.step_ms for canvas in self._canvases)
        coding = sum(canvas.decode * (1 + 1 / DECODE_PER_ENCODE) for canvas in self._canvases)
        return steps * self.slowness + coding * self._beside() + self._after_ms

    def _learn(self) -> bool:
        """Correct the slowness by what was done last; False before all have taken a step.

        Steps that run as one batch end together, others one by one. Both ways as many steps as
        there are canvases at work take the time from the end of the one before them to the end of
        the last.
        """
        abreast = sum(canvas.begun for canvas in self._canvases)
        if len(self._done) <= abreast:
            return False
        self._done = self._done[-1 - abreast :]
        spent_ms = (self._done[-1][0] - self._done[0][0]) * 1000
        measured = spent_ms / max(sum(work for _, work in self._done[1:]), 1e-9)
        self._measured += 1
        weight = max(1 / self._measured, WEIGHT)
        self.slowness += weight * (measured - self.slowness)
        return True

    def _prediction_ms(self) -> float:
        ahead = sum(canvas.left * canvas.step_ms for canvas in self._canvases)
        elapsed = self._control.elapsed_ms()
        return round(elapsed + ahead * self.slowness + self._tail_ms(), 1)

    def _beside(self) -> float:
        """Return how much slower than expected the other stages are: a busy card slows all."""
        return max(self.slowness, 1.0) if self._known else 1.0

    def _tail_ms(self) -> float:
        """Return what is still to come besides steps, ms."""
        coding = sum(canvas.encode + canvas.decode for canvas in self._canvases if not canvas.ended)
        return coding * self._beside() + self._after_ms

    def _affordable_share(self, own: _Canvas) -> float:
        """Return which share of the steps ahead fits into the time that is left, 0 to 1.

        Args:
            own: the canvas that has just taken a step, and need take no further one.
        """
        sure = open_ms = 0.0
        steps = 0
        for canvas in self._canvases:
            sure += canvas.sure(own) * canvas.step_ms * self.slowness
            open_ms += (canvas.room - canvas.sure(own)) * canvas.step_ms * self.slowness
            steps = max(steps, canvas.room - canvas.sure(own))
        if not open_ms:
            return 1.0
        budget = self.patience_ms() - (1 + SPREAD) * sure
        # The n of these steps for which n * each + SPREAD * each * sqrt(n) is the budget.
        root = math.sqrt(SPREAD**2 + 4 * max(budget, 0.0) * steps / open_ms) - SPREAD
        return float(min(root**2 / (4 * steps), 1.0))
