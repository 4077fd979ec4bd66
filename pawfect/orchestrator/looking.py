"""How a flow has a network look at a photo: the next smaller size, the CPU, the next network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.matting.network import shrunk, stretched
from pawfect.matting.networks import Network, View, find_network, key
from pawfect.matting.presets import STABLE, Plan
from pawfect.matting.subject import Subject, subject_of
from pawfect.onnx.session import CPU
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control

MODEL: Final = "onnx_networks"


@dataclass(frozen=True, eq=False)
class Looked:
    """What a network said of a photo.

    Attributes:
        values: FLOAT32 [h, w], 0 to 1, as its own code goes on with it.
        subject: whether it found one.
        plan: what was done in the end, what failed before among its fallbacks.
        device: what it ran on.
        load_ms: milliseconds that loading the network took.
        mib: memory that the network took, MiB.
    """

    values: NDArray[np.float32]
    subject: Subject
    plan: Plan
    device: str
    load_ms: float
    mib: float

    def without(self, stage: str, error: PawfectError, instead: str) -> Looked:
        """Return the same with one fallback more."""
        one = Fallback(stage, error.message, instead, error.kind)
        return replace(self, plan=with_fallback(self.plan, one))


def with_fallback(planned: Plan, fallback: Fallback) -> Plan:
    """Return a plan with one fallback more."""
    return replace(planned, fallbacks=(*planned.fallbacks, fallback))


async def look_at(
    image: NDArray[np.uint8],
    planned: Plan,
    there: Sequence[str],
    call: CallModel,
    control: Control,
    limit_ms: float | None = None,
) -> Looked:
    """Have the plan's network look at a photo.

    Where memory is short, the next smaller view looks, then the CPU. A view that keeps the photo's
    shape and fails otherwise is followed by the stable one, a network by the next of `there`,
    unless the request asked for it by name.

    Args:
        image: UINT8 [H, W, 3] RGB.
        planned: network and view.
        there: networks whose weights are here, in order.
        call: calls the models.
        control: deadline, cancellation and stage times.
        limit_ms: longest wait for one answer; None: as long as the request may take.

    Raises:
        PawfectError: OUT_OF_MEMORY where nothing fits; DEADLINE, CANCELLED; or what the last
            network answered.
    """
    device: str | None = None
    while True:
        try:
            return await _asked(image, planned, device, call, control, limit_ms)
        except PawfectError as error:
            control.raise_if_over(error)
            follower = _after(planned, device, error, there, image)
            if follower is None:
                raise
            planned, device = follower


def _after(
    planned: Plan,
    device: str | None,
    error: PawfectError,
    there: Sequence[str],
    image: NDArray[np.uint8],
) -> tuple[Plan, str | None] | None:
    """Return what is tried after a failure, or None."""
    if error.kind is ErrorKind.OUT_OF_MEMORY:
        smaller = planned.network.smaller(planned.view)
        if smaller is not None and device is None:
            return _noted(_seeing(planned, smaller, image), error, _in_words(smaller)), None
        return None if device == CPU else (_noted(planned, error, CPU), CPU)
    if error.kind not in (ErrorKind.UNAVAILABLE, ErrorKind.INTERNAL):
        return None
    stable = planned.network.view(STABLE.size, STABLE.resize)
    if planned.view.resize != STABLE.resize == stable.resize:
        return _noted(_seeing(planned, stable, image), error, _in_words(stable)), None
    following = there[there.index(planned.network.name) + 1 :]
    if planned.network_asked or not following:
        return None
    network = find_network(following[0])
    view = network.view(planned.view.size, planned.view.resize)
    following_plan = _seeing(replace(planned, network=network), view, image)
    return _noted(following_plan, error, network.name), None


def _in_words(view: View) -> str:
    return f"{view.size} px {view.resize}"


def _seeing(planned: Plan, view: View, image: NDArray[np.uint8]) -> Plan:
    return replace(planned, view=view, seen=view.seen(image.shape[1], image.shape[0]))


def _noted(planned: Plan, error: PawfectError, instead: str) -> Plan:
    return with_fallback(planned, Fallback(MODEL, error.message, instead, error.kind))


async def _asked(
    image: NDArray[np.uint8],
    planned: Plan,
    device: str | None,
    call: CallModel,
    control: Control,
    limit_ms: float | None,
) -> Looked:
    network = planned.network
    with control.stage("shrink"):
        shrinking = asyncio.to_thread(shrunk, image, network, planned.seen)
        picture = await control.wait("shrink", shrinking)
    inputs: dict[str, Array] = {
        "IMAGE": picture,
        "NETWORK": text_tensor(key(network, planned.view)),
    }
    if device is not None:
        inputs["DEVICE"] = text_tensor(device)
    with control.stage(MODEL):
        out = await control.wait(MODEL, call(MODEL, inputs, {}), limit_ms)
    told = json.loads(out["REPORT"][0])
    with control.stage("subject"):
        judging = asyncio.to_thread(_judged, np.asarray(out["MAP"], np.float32), network)
        whole, subject = await control.wait("subject", judging)
    used, wanted = told["device"], told["wanted"]
    if used != wanted:
        other = Fallback(MODEL, f"this onnxruntime cannot use {wanted}", used)
        planned = with_fallback(planned, other)
    return Looked(whole, subject, planned, used, told["load_ms"], told["mib"])


def _judged(values: NDArray[np.float32], network: Network) -> tuple[NDArray[np.float32], Subject]:
    whole = stretched(values, network)
    return whole, subject_of(values, whole)
