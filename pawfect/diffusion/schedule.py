"""The denoising schedule and the Euler step, in numpy: the orchestrator runs no torch.

Equal, operation by operation in float32, to diffusers' FlowMatchEulerDiscreteScheduler as the
pipelines of FLUX.1-Fill, FLUX.2 [klein] and Qwen-Image-Edit drive it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.parameters import MAX_STEPS
from pawfect.weights.reading import read_json

Latents = NDArray[np.float32]
# Of a schedule, by image tokens and steps: the exponent of its dynamic shift.
Shift = Callable[["Schedule", int, int], float]

# Fields of the scheduler that only other models set, with the one value that changes nothing.
NEUTRAL: Final = MappingProxyType(
    {
        "invert_sigmas": False,
        "stochastic_sampling": False,
        "time_shift_type": "exponential",
        "use_beta_sigmas": False,
        "use_exponential_sigmas": False,
        "use_karras_sigmas": False,
    }
)
SCHEDULER: Final = "FlowMatchEulerDiscreteScheduler"
# Tokens from which FLUX.2's shift is the same for any number of steps.
_LONG: Final = 4300
# Marks what a pipeline has written in, and no config says.
_PIPELINES: Final = MappingProxyType({"pipeline": True})


def by_tokens(schedule: Schedule, tokens: int, steps: int) -> float:
    """Return the exponent of the dynamic shift of FLUX.1 and Qwen-Image: a line over tokens."""
    del steps
    slope = (schedule.max_shift - schedule.base_shift) / (
        schedule.max_image_seq_len - schedule.base_image_seq_len
    )
    return tokens * slope + (schedule.base_shift - slope * schedule.base_image_seq_len)


def by_tokens_and_steps(schedule: Schedule, tokens: int, steps: int) -> float:
    """Return the exponent of the dynamic shift of FLUX.2.

    Two lines over tokens, fitted for 10 and for 200 steps, and a line over steps through them;
    `compute_empirical_mu` in Black Forest Labs' flux2 (src/flux2/sampling.py) and in diffusers.
    """
    del schedule
    at_200 = 0.00016927 * tokens + 0.45666666
    if tokens > _LONG:
        return at_200
    at_10 = 8.73809524e-05 * tokens + 1.89833333
    slope = (at_200 - at_10) / 190.0
    return slope * steps + (at_200 - 200.0 * slope)


@dataclass(frozen=True)
class Schedule:
    """The published settings of a flow-matching scheduler; defaults are those of diffusers' class.

    Attributes:
        num_train_timesteps: the timestep that sigma 1 stands for.
        shift: how far the noise levels lean to the noisy end where the shift is not dynamic.
        use_dynamic_shifting: the shift grows with the number of tokens.
        base_shift: exponent of the shift at `base_image_seq_len` tokens.
        max_shift: exponent of the shift at `max_image_seq_len` tokens.
        base_image_seq_len: tokens.
        max_image_seq_len: tokens.
        shift_terminal: the last noise level before 0, to which all others are stretched; 0: as they
            are.
        shifted_by: gives the exponent of the dynamic shift.
    """

    num_train_timesteps: int = 1000
    shift: float = 1.0
    use_dynamic_shifting: bool = False
    base_shift: float = 0.5
    max_shift: float = 1.15
    base_image_seq_len: int = 256
    max_image_seq_len: int = 4096
    shift_terminal: float = 0.0
    shifted_by: Shift = field(default=by_tokens, metadata=_PIPELINES)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], shifted_by: Shift = by_tokens) -> Schedule:
        """Read a `scheduler_config.json`.

        Args:
            config: as published.
            shifted_by: the pipeline's own part, see the class.

        Raises:
            PawfectError: UNAVAILABLE for another scheduler's config, and for a field or a value
                that this schedule would not honour.
        """
        given = {name: value for name, value in config.items() if not name.startswith("_")}
        named = config.get("_class_name", SCHEDULER)
        if named != SCHEDULER:
            raise _unusable(f"expected {SCHEDULER}, got {named}")
        for name, neutral in NEUTRAL.items():
            if given.pop(name, neutral) != neutral:
                raise _unusable(f"{name}: expected {neutral}, got {config[name]!r}")
        # Published as null where there is none.
        if given.get("shift_terminal", 0.0) is None:
            del given["shift_terminal"]
        kinds: dict[str, Any] = {
            each.name: type(each.default) for each in fields(cls) if each.metadata != _PIPELINES
        }
        unknown = sorted(set(given) - set(kinds))
        if unknown:
            raise _unusable(f"expected {', '.join(kinds)}, got {', '.join(unknown)}")
        for name, value in given.items():
            if not _fits(value, kinds[name]):
                raise _unusable(f"{name}: expected a {kinds[name].__name__}, got {value!r}")
        values = {name: kinds[name](value) for name, value in given.items()}
        schedule = cls(**values, shifted_by=shifted_by)
        if schedule.base_image_seq_len == schedule.max_image_seq_len:
            raise _unusable("base_image_seq_len: expected another than max_image_seq_len")
        return schedule

    def sigmas(self, steps: int, tokens: int) -> NDArray[np.float32]:
        """Return the noise levels of a run, falling from 1 to 0.

        Args:
            steps: denoising steps of the whole run, at least 1.
            tokens: image tokens, at least 1; the dynamic shift depends on them.

        Returns:
            float32 [steps + 1], the last one 0.

        Raises:
            PawfectError: INVALID_ARG for no steps or no tokens.
        """
        for name, value in (("steps", steps), ("tokens", tokens)):
            if value < 1:
                raise invalid(name, "at least 1", value)
        even = np.linspace(1.0, 1 / steps, steps).astype(np.float32)
        if self.use_dynamic_shifting:
            mu = self.shifted_by(self, tokens, steps)
            shifted = math.exp(mu) / (math.exp(mu) + (1 / even - 1) ** 1.0)
        else:
            shifted = self.shift * even / (1 + (self.shift - 1) * even)
        remaining = 1 - shifted
        # One step alone goes from noise to the picture.
        if self.shift_terminal and remaining[-1]:
            shifted = 1 - remaining / (remaining[-1] / (1 - self.shift_terminal))
        return np.append(shifted.astype(np.float32), np.float32(0))

    def timesteps(self, sigmas: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the timesteps of noise levels: 0 to `num_train_timesteps`, one per sigma."""
        return sigmas * np.float32(self.num_train_timesteps)

    def timesteps_with(self, timestep: float, tokens: int, usual: int) -> NDArray[np.float32]:
        """Return the timesteps of the run that one of them most likely belongs to.

        Args:
            timestep: float32's value, as `timesteps` gives it.
            tokens: image tokens, at least 1.
            usual: steps of most runs, at least 1: tried first. Pure noise is in every run.

        Returns:
            float32 [steps]: of the `usual` number of steps, else of the fewest whose schedule has
            the timestep; [0] where none up to MAX_STEPS has.
        """
        for steps in (usual, *range(1, MAX_STEPS + 1)):
            timesteps = self.timesteps(self.sigmas(steps, tokens))[:-1]
            if np.float32(timestep) in timesteps:
                return timesteps
        return np.empty(0, np.float32)


def read_schedule(folder: Path, shifted_by: Shift = by_tokens) -> Schedule:
    """Read the schedule of a whole model's folder, as published.

    Args:
        folder: of the whole model.
        shifted_by: see `Schedule`.

    Raises:
        PawfectError: UNAVAILABLE where it is missing or damaged, and as `Schedule.from_config`.
    """
    return Schedule.from_config(
        read_json(folder / "scheduler", "scheduler_config.json"), shifted_by
    )


def first_step(steps: int, strength: float) -> int:
    """Return the step at which a run that starts from a prior begins.

    diffusers' rule for image to image: of `steps`, the last `steps * strength` run, rounded up.

    Args:
        steps: of the whole schedule, at least 1.
        strength: above 0 to 1; 1 starts from pure noise at step 0.

    Raises:
        PawfectError: INVALID_ARG where no step would be left.
    """
    if steps < 1:
        raise invalid("steps", "at least 1", steps)
    if not 0 < strength <= 1:
        raise invalid("strength", "above 0 to 1", strength)
    begin = int(max(steps - min(steps * strength, steps), 0))
    if begin >= steps:
        raise invalid("strength", f"enough for one of {steps} steps", strength)
    return begin


def next_level(at: int, steps: int, left: int) -> int:
    """Return the noise level to step to, so that the rest of a schedule takes fewer steps.

    The levels still to come are spread evenly over the schedule's own: the same shift, and
    timesteps that the run would have met anyway. Where all its steps are taken it is the next
    level; where none is left, the last, so that one Euler step ends the run with a finished
    picture. From level 0 with N steps, N a divisor of `steps`, the levels are those of
    `Schedule.sigmas(N)`.

    Args:
        at: index in `Schedule.sigmas` of the present level, below `steps`.
        steps: of the whole schedule, which is the index of its last level, 0.
        left: steps to be taken after this one, 0 to `steps - at - 1`.

    Returns:
        An index above `at`, with at least `left` levels behind it.
    """
    return at + round((steps - at) / (left + 1))


def noised(prior: Latents, noise: Latents, sigma: float) -> Latents:
    """Return a prior's latents with noise to the level sigma, 0 to 1; 1 is the noise itself."""
    level = np.float32(sigma)
    return level * noise + (np.float32(1) - level) * prior


def put_back(latents: Latents, share: Latents, outside: Latents) -> Latents:
    """Return latents with what is not to be filled as it was, at the same noise level.

    Args:
        latents: float32 [T, W].
        share: float32 [T, 1 or W], how much of each is filled, 0 to 1.
        outside: float32 [T, W], of the picture, `noised` to the level that `latents` are at.
    """
    return (np.float32(1) - share) * outside + share * latents


def euler(latents: Latents, velocity: Latents, sigma: float, following: float) -> Latents:
    """Take one Euler step from noise level `sigma` to the `following` one.

    Args:
        latents: float32 [T, W].
        velocity: float32 [T, W], at `sigma`.
        sigma: 0 to 1.
        following: 0 to 1, the next of `Schedule.sigmas`.

    Returns:
        float32 [T, W].

    Raises:
        PawfectError: INTERNAL where the velocity is not finite: activations can overflow half
            precision, and the rest of the run would be black.
    """
    if not np.isfinite(velocity).all():
        broken = np.count_nonzero(~np.isfinite(velocity))
        raise PawfectError(
            ErrorKind.INTERNAL, f"VELOCITY: expected finite values, got {broken} that are not"
        )
    return latents + (np.float32(following) - np.float32(sigma)) * velocity


def _fits(value: object, kind: type) -> bool:
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)  # type: ignore[arg-type]
    return type(value) is kind and (kind is bool or value > 0)  # type: ignore[operator]


def _unusable(problem: str) -> PawfectError:
    return PawfectError(ErrorKind.UNAVAILABLE, f"weights scheduler: {problem}")
