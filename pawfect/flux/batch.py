"""The steps of many requests, answered as few batches: what `flux_transformer` runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from pawfect.contract.errors import PawfectError
from pawfect.contract.tensors import Array
from pawfect.flux.transformer import Transformer
from pawfect.models import check_inputs
from pawfect.out_of_memory import in_halves, out_of_memory, release

MODEL: Final = "flux_transformer"
STEP: Final = ("LATENTS", "CONDITION", "PROMPT_EMBEDS", "POOLED", "TIMESTEP", "GUIDANCE")

Answer = dict[str, Array] | PawfectError


class _Member(NamedTuple):
    """One request's step in a batch."""

    at: int
    item: Mapping[str, Array]


def answer_steps(model: Transformer, items: Sequence[Mapping[str, Array]]) -> list[Answer]:
    """Answer one step of each request; those of one grid and length of text run as one batch.

    A request that is wrong does not fail the others, nor does one that the memory is too short for:
    where a batch does not fit, its halves are tried, down to single requests.

    Args:
        model: the loaded transformer.
        items: for each request its inputs by the contract's names.

    Returns:
        For each request its outputs, or what was wrong: INVALID_ARG, or OUT_OF_MEMORY for a step
        that does not fit even alone.
    """
    answers: dict[int, Answer] = {}
    groups: dict[tuple[int, ...], list[_Member]] = {}
    for index, item in enumerate(items):
        try:
            check_inputs(MODEL, item)
            key = _checked(model, item)
        except PawfectError as error:
            answers[index] = error
        else:
            groups.setdefault(key, []).append(_Member(index, item))
    for key, members in groups.items():
        flows = in_halves(partial(_velocities, model, key), members, partial(_free, model))
        for member, flow in zip(members, flows, strict=True):
            answers[member.at] = out_of_memory(MODEL) if flow is None else {"VELOCITY": flow}
    return [answers[index] for index in range(len(items))]


def _velocities(
    model: Transformer, key: tuple[int, ...], members: Sequence[_Member]
) -> Sequence[Array]:
    stacked = {name: np.stack([member.item[name] for member in members]) for name in STEP}
    return list(model.velocity(**_arguments(stacked), grid=(key[0], key[1])))


def _checked(model: Transformer, item: Mapping[str, Array]) -> tuple[int, ...]:
    """Check one request's step; return what it must share with another to run beside it."""
    rows, columns = (int(number) for number in item["GRID"])
    alone = {name: item[name][None] for name in STEP}
    model.check(**_arguments(alone), grid=(rows, columns))
    return rows, columns, *item["PROMPT_EMBEDS"].shape


def _arguments(stacked: Mapping[str, Array]) -> dict[str, Any]:
    """Return a batch [B, ...] by the names of `Transformer.velocity`; scalars become [B]."""
    named = {name.lower(): array for name, array in stacked.items()}
    return named | {name: named[name][:, 0] for name in ("timestep", "guidance")}


def _free(model: Transformer) -> None:
    model.free()
    release()
