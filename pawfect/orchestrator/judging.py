"""What the judges say of one candidate: the local one here, the others by their models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.scores import CONSISTENCY, IDENTITY, REALISM, Judgement
from pawfect.contract.tensors import REMOTE_JUDGES, Array
from pawfect.orchestrator.calls import CallModel, Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.identifying import Who
from pawfect.orchestrator.judge_local import STAGE, judge_local
from pawfect.scene.prompt import Label

# What a judge's model is given beyond its own deadline to say that it has none, ms.
_MANNERS_MS: Final = 1000


@dataclass(frozen=True, eq=False)
class Judging:
    """What all candidates of a search are judged by.

    Attributes:
        original: UINT8 [H, W, 3] RGB, the photo.
        hole: UINT8 [H, W], 255 = filled.
        reference: UINT8 [h, w, 3] RGB, who is to be seen, or None.
        remote: names of the judges elsewhere that are asked.
        judge_ms: what each of them has for one candidate, ms.
        deployment: which networks the local judge may ask.
        call: calls the models.
        around: surfaces around the hole, where SAM3 was asked; None: the judge asks it.
        networks: whether the local judge asks networks for what does not belong in the hole.
        who: whose face the local judge looks for; None: nobody's.
    """

    original: NDArray[np.uint8]
    hole: NDArray[np.uint8]
    reference: NDArray[np.uint8] | None
    remote: Sequence[str]
    judge_ms: int
    deployment: Deployment
    call: CallModel
    around: Sequence[Label] | None = None
    networks: bool = True
    who: Who | None = None


async def judge(
    judging: Judging, image: NDArray[np.uint8], control: Control
) -> tuple[Judgement, ...]:
    """Ask every judge about a candidate, all at once; one that fails is silent.

    Args:
        judging: what they are shown beside it.
        image: UINT8 [H, W, 3] RGB, the candidate.
        control: the search's clock.

    Returns:
        The local judgement, then the others in their order.

    Raises:
        PawfectError: CANCELLED or DEADLINE of the search itself.
    """
    remote = [_asked(judging, name, image, control) for name in judging.remote]
    return tuple(await asyncio.gather(_locally(judging, image, control), *remote))


async def _locally(judging: Judging, image: NDArray[np.uint8], control: Control) -> Judgement:
    with control.stage(STAGE):
        part = control.part(control.remaining_ms())
        shown = (image, judging.original, judging.hole)
        asking = (judging.deployment, judging.call, part)
        networks, who = judging.networks, judging.who
        return await judge_local(*shown, *asking, judging.around, networks=networks, who=who)


async def _asked(
    judging: Judging, name: str, image: NDArray[np.uint8], control: Control
) -> Judgement:
    model = REMOTE_JUDGES[name].name
    inputs: dict[str, Array] = {
        "RESULT": image,
        "ORIGINAL": judging.original,
        "MASK": judging.hole,
    }
    if judging.reference is not None:
        inputs["REFERENCE"] = judging.reference
    limit_ms = max(min(judging.judge_ms, int(control.remaining_ms())), 1)
    parameters: Scalars = {"remote": True, "deadline_ms": limit_ms}
    try:
        with control.stage(model):
            asking = judging.call(model, inputs, parameters)
            out = await control.wait(model, asking, limit_ms + _MANNERS_MS)
        return Judgement.from_json(out["SCORES"][0])
    except PawfectError as error:
        control.raise_if_over(error)
        reason = f"{error.kind.name}: {error.message}"
    except ValueError as error:
        reason = f"{ErrorKind.INTERNAL.name}: {error}"
    axes = (CONSISTENCY, REALISM, *(() if judging.reference is None else (IDENTITY,)))
    return Judgement(name, {}, dict.fromkeys(axes, reason))
