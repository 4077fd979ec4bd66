"""The steps of many requests, answered as few batches: what each chain's transformer runs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from pawfect.contract.errors import PawfectError
from pawfect.contract.tensors import Array
from pawfect.models import check_inputs
from pawfect.out_of_memory import in_halves, out_of_memory, release

Item = Mapping[str, Array]
Answer = dict[str, Array] | PawfectError


class Stepper(Protocol):
    """A loaded transformer, one denoising step at a time.

    Attributes:
        module: diffusers' class of it.
    """

    module: Any

    @property
    def model(self) -> str:
        """Triton's name of it."""
        ...

    def shared(self, item: Item) -> Hashable:
        """Check one request's step; return what it must share with another to run beside it.

        Raises:
            PawfectError: INVALID_ARG for tensors that are no step of this transformer.
        """
        ...

    def velocities(self, items: Sequence[Item]) -> Sequence[Array]:
        """Return the velocity of each of some steps that share what must be, FP32 [T, C] each."""
        ...

    def free(self) -> None:
        """Drop what is kept where memory is short: all of it may be lost."""
        ...


class _Member(NamedTuple):
    """One request's step in a batch."""

    at: int
    item: Item


def answer_steps(stepper: Stepper, items: Sequence[Item]) -> list[Answer]:
    """Answer one step of each request; those that share what must be shared run as one batch.

    A request that is wrong does not fail the others, nor does one that the memory is too short for:
    where a batch does not fit, its halves are tried, down to single requests.

    Args:
        stepper: the loaded transformer.
        items: for each request its inputs by the contract's names.

    Returns:
        For each request its outputs, or what was wrong: INVALID_ARG, or OUT_OF_MEMORY for a step
        that does not fit even alone.
    """
    answers: dict[int, Answer] = {}
    groups: dict[Hashable, list[_Member]] = {}
    for index, item in enumerate(items):
        try:
            checked = check_inputs(stepper.model, item)
            key = stepper.shared(checked)
        except PawfectError as error:
            answers[index] = error
        else:
            groups.setdefault(key, []).append(_Member(index, checked))
    for members in groups.values():
        flows = in_halves(partial(_velocities, stepper), members, partial(_free, stepper))
        for member, flow in zip(members, flows, strict=True):
            short = out_of_memory(stepper.model)
            answers[member.at] = short if flow is None else {"VELOCITY": flow}
    return [answers[index] for index in range(len(items))]


def _velocities(stepper: Stepper, members: Sequence[_Member]) -> Sequence[Array]:
    return stepper.velocities([member.item for member in members])


def _free(stepper: Stepper) -> None:
    stepper.free()
    release()
