"""Orchestrations as models serve them: a request decoded, run, and its result encoded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

import numpy as np

from pawfect.contract.candidates import candidate_tensors
from pawfect.contract.parameters import InpaintParams, Scalar
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import IMAGE, Array
from pawfect.contract.texts import read_texts, text_tensor
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment, read_deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.request import InpaintRequest, InpaintResult, Notify, Progress
from pawfect.profile import Profile

Deployed = TypeVar("Deployed")
Request = TypeVar("Request")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Measure:
    """A number of one answer that becomes a gauge: the last one stands.

    Attributes:
        name: without the `pawfect_` that all of ours have.
        value: the number.
        labels: what tells it from others of that name, beside the model.
    """

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def no_engine(result: object) -> str | None:
    """Return None: the flow has one way to its results."""
    del result
    return None


def unmeasured(result: object) -> tuple[Measure, ...]:
    """Return no measure."""
    del result
    return ()


@dataclass(frozen=True)
class Orchestration(Generic[Deployed, Request, Result]):
    """A flow over several models, without Triton.

    Attributes:
        deploy: reads what all requests share, of a profile; `verbatim` as in the deployment.
        decode: returns the frozen request of checked inputs and parsed parameters, which have a
            `deadline_ms`.
        run: answers it; raises PawfectError.
        encode: returns the outputs of a result.
        fallbacks: what a result had to do without.
        pixels: of the pictures in a request's inputs, by its parameters as they came: what bounds
            how many requests are held; never raises.
        measures: numbers of a result that become metrics.
        engine: what made a result, of several that could; None: there are no others.
    """

    deploy: Callable[[Profile, bool], Deployed]
    decode: Callable[[Mapping[str, Array], Any], Request]
    run: Callable[[Request, Deployed, CallModel, Control, Notify], Awaitable[Result]]
    encode: Callable[[Result], dict[str, Array]]
    fallbacks: Callable[[Result], tuple[Fallback, ...]]
    pixels: Callable[[Mapping[str, Array], Mapping[str, Scalar]], int]
    measures: Callable[[Result], tuple[Measure, ...]] = unmeasured
    engine: Callable[[Result], str | None] = no_engine


def encode_progress(progress: Progress) -> dict[str, Array]:
    """Return STAGE BYTES [1], PROGRESS FP32 [1], and perhaps PREVIEW UINT8 [h, w, 3].

    A candidate of a search adds what `candidate_tensors` gives.
    """
    outputs: dict[str, Array] = {
        "STAGE": text_tensor(progress.stage),
        "PROGRESS": np.array([progress.progress], np.float32),
    }
    if progress.preview is not None:
        outputs["PREVIEW"] = progress.preview
    if progress.candidate is not None:
        outputs |= candidate_tensors(progress.candidate)
    return outputs


def inpaint_request(inputs: Mapping[str, Array], params: InpaintParams) -> InpaintRequest:
    """Decode a request of `inpaint`; raises INVALID_ARG for texts that cannot be read."""
    prompts = read_texts("PROMPT", inputs.get("PROMPT"))
    return InpaintRequest(
        image=inputs["IMAGE"],
        mask=inputs["MASK"],
        params=params,
        protect=inputs.get("PROTECT"),
        scene_labels=read_texts("SCENE_LABELS", inputs.get("SCENE_LABELS")),
        prompt=prompts[0] if prompts else None,
    )


def photo_pixels(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> int:
    """Return how many pixels a request's IMAGE has; 0 where it has none of an image's rank."""
    del parameters
    shape = inputs[IMAGE.name].shape if IMAGE.name in inputs else ()
    return shape[0] * shape[1] if len(shape) == len(IMAGE.shape) else 0


def deployed(profile: Profile, verbatim: bool) -> Deployment:
    """Return a profile's deployment; see `Orchestration.deploy`."""
    return replace(read_deployment(profile), verbatim=verbatim)


def _inpainted(result: InpaintResult) -> dict[str, Array]:
    return {"IMAGE": result.image, "REPORT": text_tensor(result.report.to_json())}


INPAINT: Final = Orchestration(
    deploy=deployed,
    decode=inpaint_request,
    run=inpaint,
    encode=_inpainted,
    fallbacks=lambda result: result.report.fallbacks,
    pixels=photo_pixels,
    engine=lambda result: result.report.engine,
)
