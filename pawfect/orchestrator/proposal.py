"""What every proposer of a search is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import Face
from pawfect.contract.report import Fallback
from pawfect.contract.search import INPAINT
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import CleanedMask, Task
from pawfect.orchestrator.patched import Patched
from pawfect.orchestrator.request import InpaintRequest
from pawfect.search.tries import Try

Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Character:
    """Who is to be seen, for an edit.

    Attributes:
        picture: UINT8 [h, w, 3] RGB of any size.
        instruction: what the model is told.
        steps: of a search's preset, where the request names none; None: the profile's.
    """

    picture: Picture
    instruction: str
    steps: int | None = None


@dataclass(frozen=True, eq=False)
class Swap:
    """Which face becomes whose.

    Attributes:
        face: of the photo.
        source: of the reference.
        alpha: FP32 [H, W], 0 to 1, how much of each pixel may change.
        pixel_boost: side at which the raw swap is drawn, px.
        caller: who asked, or None.
        instruction: what the model that refines is told.
    """

    face: Face
    source: Face
    alpha: NDArray[np.float32]
    pixel_boost: int
    caller: str | None
    instruction: str | None = None


@dataclass(frozen=True, eq=False)
class Base:
    """What all candidates of a search share.

    Attributes:
        request: as one inpainting would be asked for; its seed is the search's.
        cleaned: its mask, cleaned.
        engine: as `pawfect.contract.parameters.ENGINES` has them, but for auto.
        deployment: which engines there are.
        call: calls the models.
        plan_ms: what a denoising model's plan of one candidate may take, ms.
        proposer: of `pawfect.contract.search.PROPOSERS`.
        character: who is to be seen; None where nobody is.
        floor: the photo filled without denoising, or swapped; None until the undiffused candidate
            is there.
        swap: which face becomes whose; None where none is swapped.
    """

    request: InpaintRequest
    cleaned: CleanedMask
    engine: str
    deployment: Deployment
    call: CallModel
    plan_ms: float
    proposer: str = INPAINT
    character: Character | None = None
    floor: Patched | None = None
    swap: Swap | None = None


@dataclass(frozen=True, eq=False)
class Proposed:
    """A candidate's picture.

    Attributes:
        image: UINT8 [H, W, 3], outside the holes and their feather the photo.
        engine: what made it.
        settings: what it was made with beside the seed, by name.
        fallbacks: what was done without.
        weights: identity of the weights that made it, by component.
        floor: of the undiffused one, for those after it.
    """

    image: Picture
    engine: str
    settings: Mapping[str, Any]
    fallbacks: tuple[Fallback, ...] = ()
    weights: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    floor: Patched | None = None


@dataclass(frozen=True, eq=False)
class Proposal:
    """One candidate that is to be made.

    Attributes:
        task: as one inpainting's; its seed is the try's.
        base: the search.
        tried: what is tried.
        parent: UINT8 [H, W, 3], the picture of the candidate that it starts from, or None.
    """

    task: Task
    base: Base
    tried: Try
    parent: Picture | None


Make = Callable[[Proposal], Awaitable[Proposed]]


@dataclass(frozen=True)
class Proposer:
    """A way of making candidates.

    Attributes:
        engine: the engine for what was asked for, and why; raises UNAVAILABLE for none.
        makers: by variation, what makes a candidate.
        removes: whether it takes something out: what surrounds the holes is then what belongs
            there, and a subject in the fill a fault.
    """

    engine: Callable[[Deployment, str], tuple[str, str]]
    makers: Mapping[str, Make]
    removes: bool
