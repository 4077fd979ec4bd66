"""What one step may reuse of those before it in its run: first-block cache and TaylorSeer.

Both are functions of a batch and of what was kept for each of its items; which of that still holds
is `pawfect.flux.runs`' to say. Items are judged one by one: those that reuse leave the batch, the
others go on as a smaller one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch

from pawfect.flux.forward import Forward
from pawfect.flux.tokens import TOKEN_WIDTH

# diffusers' defaults (TaylorSeerCacheConfig): the first steps, which the expansion needs, are
# computed, then one in five.
FIRST_STEPS: Final = 3
INTERVAL: Final = 5
ORDER: Final = 1


class Kept(Protocol):
    """What a step leaves for the next one of its run."""

    @property
    def nbytes(self) -> int:
        """Bytes that it takes on the transformer's device."""


class StepCache(Protocol):
    """A way to reuse."""

    def velocity(
        self, forward: Forward, kept: Sequence[Any]
    ) -> tuple[torch.Tensor, list[Kept | None]]:
        """Compute a step.

        Args:
            forward: the batch.
            kept: for each item what its run's last step left; None: compute it whole.

        Returns:
            [B, T, 64] and what each item leaves.
        """


@dataclass(frozen=True)
class Residuals:
    """What the blocks added to the picture when they were last computed.

    Attributes:
        first: [T, D], by the first block.
        remaining: [T, D], by all others.
    """

    first: torch.Tensor
    remaining: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return self.first.nbytes + self.remaining.nbytes


@dataclass(frozen=True)
class FirstBlock:
    """Leaves out all blocks but the first where the first does what it did before.

    ParaAttention's first-block cache, as diffusers has it (FirstBlockCacheConfig), which builds on
    TeaCache (Liu et al. 2024, arXiv:2411.19108).

    Attributes:
        threshold: relative change of the first block's residual under which the residual of the
            others is used again: mean absolute difference over mean absolute value.
    """

    threshold: float

    def velocity(
        self, forward: Forward, kept: Sequence[Residuals | None]
    ) -> tuple[torch.Tensor, list[Kept | None]]:
        """Compute a step; see `StepCache`."""
        start = forward.embedded()
        first = forward.first(start)
        own = first.picture - start.picture
        reused = [k is not None and self._alike(r, k.first) for r, k in zip(own, kept, strict=True)]
        left: list[Kept | None] = list(kept)
        computed = [item for item, same in enumerate(reused) if not same]
        if len(computed) == len(kept):
            last = forward.remaining(first).picture
        else:
            last = torch.empty_like(first.picture)
            for item, state in enumerate(kept):
                if state is not None and reused[item]:
                    last[item] = _within(first.picture[item] + state.remaining)
            if computed:
                rest = forward.of(computed).remaining(first.of(computed)).picture
                last[computed] = rest
        for item in computed:
            residuals = Residuals(own[item].clone(), last[item] - first.picture[item])
            # In half precision the difference of two finite numbers may not be finite.
            left[item] = residuals if bool(residuals.remaining.isfinite().all()) else None
        return forward.velocity(last), left

    def _alike(self, new: torch.Tensor, old: torch.Tensor) -> bool:
        change = (new - old).abs().mean(dtype=torch.float32)
        return bool(change / old.abs().mean(dtype=torch.float32) < self.threshold)


@dataclass(frozen=True)
class Expansion:
    """A run's velocity as a function of the step: a Taylor series around the last computed one.

    Attributes:
        factors: float32 [T, 64] each: the velocity and its finite differences by steps.
        computed: the step at which they were computed, counted from the run's first.
        step: the run's last step.
        trusted: whether the series, asked at the last computed step for what came, was near it.
    """

    factors: tuple[torch.Tensor, ...]
    computed: int
    step: int
    trusted: bool

    @property
    def nbytes(self) -> int:
        """Bytes of all factors."""
        return sum(factor.nbytes for factor in self.factors)

    def at(self, step: int) -> torch.Tensor:
        """Return the velocity that the series foresees, float32 [T, 64]."""
        offset = step - self.computed
        terms = (f * (offset**n / math.factorial(n)) for n, f in enumerate(self.factors))
        return sum(terms, torch.zeros_like(self.factors[0]))


@dataclass(frozen=True)
class TaylorSeer:
    """Foresees the velocity of most steps from those computed before, no block run at all.

    TaylorSeer (Liu et al. 2025, arXiv:2503.06923) in diffusers' lite form, which expands the
    transformer's output alone: of all forms the one that keeps least. On top of diffusers' fixed
    interval, nothing is foreseen while the series misses what is computed.

    Attributes:
        threshold: relative error of the series at the last computed step under which it is
            believed: mean absolute error over mean absolute value.
    """

    threshold: float

    def velocity(
        self, forward: Forward, kept: Sequence[Expansion | None]
    ) -> tuple[torch.Tensor, list[Kept | None]]:
        """Compute a step; see `StepCache`."""
        foreseen = {
            item: state.at(state.step + 1)
            for item, state in enumerate(kept)
            if state is not None and state.trusted and not _is_computed(state.step + 1)
        }
        computed = [item for item in range(len(kept)) if item not in foreseen]
        if not foreseen:
            velocity = forward.whole().float()
        else:
            picture = forward.inputs.picture
            velocity = picture.new_empty(*picture.shape[:2], TOKEN_WIDTH, dtype=torch.float32)
            for item, expected in foreseen.items():
                velocity[item] = expected
            if computed:
                velocity[computed] = forward.of(computed).whole().float()
        left: list[Kept | None] = []
        for item, state in enumerate(kept):
            if state is None:
                left.append(Expansion((velocity[item].clone(),), 0, 0, trusted=False))
            elif item in foreseen:
                left.append(Expansion(state.factors, state.computed, state.step + 1, state.trusted))
            else:
                left.append(self._expanded(state, velocity[item]))
        return velocity, left

    def _expanded(self, state: Expansion, velocity: torch.Tensor) -> Expansion:
        step = state.step + 1
        error = (state.at(step) - velocity).abs().mean() / velocity.abs().mean()
        factors = [velocity.clone()]
        for order, before in enumerate(state.factors[:ORDER]):
            factors.append((factors[order] - before) / (step - state.computed))
        return Expansion(tuple(factors), step, step, trusted=bool(error < self.threshold))


def step_cache(name: str, threshold: float) -> StepCache | None:
    """Return the step cache of this name, one of a profile's; None where nothing is reused.

    Args:
        name: none, first_block or taylorseer.
        threshold: 0 reuses nothing.
    """
    if name == "none" or threshold == 0:
        return None
    return FirstBlock(threshold) if name == "first_block" else TaylorSeer(threshold)


def _is_computed(step: int) -> bool:
    return step < FIRST_STEPS or (step - FIRST_STEPS - 1) % INTERVAL == 0


def _within(picture: torch.Tensor) -> torch.Tensor:
    """Return activations clipped to half precision's range, as diffusers' blocks clip theirs."""
    return picture.clip(-65504, 65504) if picture.dtype == torch.float16 else picture
