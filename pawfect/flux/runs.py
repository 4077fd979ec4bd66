"""The runs whose steps pass by, and what is kept of each: soft, bounded, lost without harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import MAX_STEPS
from pawfect.contract.tensors import Array
from pawfect.flux.recent import Recent

# Twice a batch: more runs than take their steps by turns.
KEPT_RUNS: Final = 16
# Of FLUX.1 in 16 bits a run at 1024 px keeps 50 MB on the device and 6 MB beside it: nine of them;
# at 512 px, all of KEPT_RUNS.
KEPT_BYTES: Final = 512 * 2**20
FORGOTTEN: Final = -1


@dataclass(frozen=True)
class Place:
    """Where a step stands in its run.

    Attributes:
        run: what the steps of one run have in common; None: the step stands alone.
        steps: of the run's whole schedule, 1 to MAX_STEPS; None where that is not said.
        left: steps after this one; -1: there is no step, the run is to be forgotten; None like
            `steps`.
    """

    run: int | None = None
    steps: int | None = None
    left: int | None = None

    @classmethod
    def read(cls, item: Mapping[str, Array]) -> Place:
        """Read RUN INT64 [1] and STEPS INT32 [2], both optional.

        Raises:
            PawfectError: INVALID_ARG for numbers of steps that make no schedule.
        """
        run = int(item["RUN"][0]) if "RUN" in item else None
        if "STEPS" not in item:
            return cls(run)
        steps, left = (int(number) for number in item["STEPS"])
        if not 1 <= steps <= MAX_STEPS or not FORGOTTEN <= left < steps:
            expected = f"1 to {MAX_STEPS} steps, of which -1 to one less than all are left"
            raise invalid("STEPS", expected, [steps, left])
        return cls(run, steps, left)

    @property
    def forgets(self) -> bool:
        """Whether this is no step but the word that the run is over."""
        return self.left == FORGOTTEN

    def follows(self, earlier: Place) -> bool:
        """Return whether this may be the step after another one of the same run."""
        if self.left is None or earlier.left is None:
            return self.left == earlier.left
        return self.steps == earlier.steps and self.left == earlier.left - 1


@dataclass(frozen=True)
class Subject:
    """What a run's steps must share for one to say anything about the next.

    Attributes:
        arrays: condition [T, 320], prompt embeddings [L, D] and pooled prompt [P], copies.
        guidance: of the run.
        grid: rows and columns of tokens.
    """

    arrays: tuple[Array, ...]
    guidance: float
    grid: tuple[int, int]

    def same(self, other: Subject) -> bool:
        """Return whether both are one."""
        return (
            (self.guidance, self.grid) == (other.guidance, other.grid)
            and len(self.arrays) == len(other.arrays)
            and all(map(np.array_equal, self.arrays, other.arrays))
        )

    def copied(self) -> Subject:
        """Return it with arrays of its own: those of a request are Triton's."""
        return Subject(tuple(array.copy() for array in self.arrays), self.guidance, self.grid)


@dataclass(frozen=True)
class Step:
    """One step as it is kept: where, at which timestep, of what, and what it left."""

    place: Place
    timestep: float
    subject: Subject
    left: Any


class Runs:
    """What the last step of each run left.

    Args:
        runs: most runs of which anything is kept.
        nbytes: most bytes of all of it.
    """

    def __init__(self, *, runs: int = KEPT_RUNS, nbytes: int = KEPT_BYTES) -> None:
        self._kept: Recent[int, Step] = Recent(entries=runs, nbytes=nbytes)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes kept."""
        return self._kept.nbytes

    def recall(
        self, places: Sequence[Place], timesteps: Sequence[float], subjects: Sequence[Subject]
    ) -> list[Any]:
        """Return for each item of a batch what its run's last step left, None where that is void.

        It is void for another subject, for a step that does not follow the last one, and for a
        second item of the same run.
        """
        recalled: list[Any] = []
        for n, (place, timestep, subject) in enumerate(
            zip(places, timesteps, subjects, strict=True)
        ):
            last = None if place.run is None else self._kept.get(place.run)
            holds = (
                last is not None
                and place.run not in [earlier.run for earlier in places[:n]]
                and place.follows(last.place)
                and timestep < last.timestep
                and subject.same(last.subject)
            )
            recalled.append(last.left if holds and last is not None else None)
        return recalled

    def keep(self, place: Place, timestep: float, subject: Subject, left: Any) -> None:
        """Keep what a step left, for the next one; after the last step, nothing.

        Args:
            place: of the step.
            timestep: of the step, 0 to 1000.
            subject: of its run.
            left: has `nbytes`; None: nothing.
        """
        if place.run is None:
            return
        if left is None or place.left == 0:
            self._kept.drop(place.run)
            return
        last = self._kept.get(place.run)
        known = last is not None and subject.same(last.subject)
        subject = last.subject if last is not None and known else subject.copied()
        nbytes = left.nbytes + sum(array.nbytes for array in subject.arrays)
        self._kept.put(place.run, Step(place, timestep, subject, left), nbytes)

    def forget(self, run: int | None) -> None:
        """Forget a run; one that is not known is no error."""
        if run is not None:
            self._kept.drop(run)

    def clear(self) -> None:
        """Forget all runs."""
        self._kept.clear()
