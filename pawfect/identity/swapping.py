"""`face_swap` as a function of tensors, loaded from its weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from pawfect.clock import Clock
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.faces import FaceSwapParams, FaceSwapReport, check_consent
from pawfect.contract.tensors import Array, check_photo_size
from pawfect.contract.texts import text_tensor
from pawfect.identity.alignment import NETWORK_PX, template
from pawfect.identity.inswapper import Swapper
from pawfect.identity.mask import own_weight
from pawfect.identity.paste import pasted
from pawfect.identity.swap import draw_face, five_points, in_scene
from pawfect.out_of_memory import fitting
from pawfect.settings import SwapSettings
from pawfect.stop import Stop, look, never
from pawfect.weights.manifest import manifest
from pawfect.weights.store import Store

LOG: Final = logging.getLogger("pawfect.identity")
UNKNOWN: Final = "unknown"
# Of the square of the probe's face: a little more than the least.
PROBE_PX: Final = 56


class Run(Protocol):
    """One face swapped; `stop` ends the network's run."""

    def __call__(
        self, inputs: Mapping[str, Array], params: FaceSwapParams, stop: Stop = never
    ) -> dict[str, Array]:
        """Return the outputs by tensor name."""
        ...


def face_swap(settings: SwapSettings, folder: Path) -> Run:
    """Load the network; raises UNAVAILABLE as `Swapper.load`."""
    with fitting(f"weights {folder.name}", settings.device):
        swapper = Swapper.load(folder, settings.threads, settings.device)
    identity = Store(folder.parent).identity(folder.name)
    entry = manifest().get(folder.name)

    def run(
        inputs: Mapping[str, Array], params: FaceSwapParams, stop: Stop = never
    ) -> dict[str, Array]:
        check_consent(params.consent)
        photo = np.asarray(inputs["IMAGE"])
        height, width = photo.shape[:2]
        check_photo_size(height, width, "IMAGE")
        points, embedding = (np.asarray(inputs[name]) for name in ("POINTS", "EMBEDDING"))
        log_swap("face_swap", params.caller)
        clock = Clock(params.deadline_ms)

        def over() -> bool:
            return stop() or clock.over()

        try:
            face = draw_face(
                photo, points, embedding, swapper, params.pixel_boost, over, clock.stage
            )
            look(over)
            with clock.stage("paste"):
                weight, before = own_weight(photo, five_points(points))
                image, painted = pasted(photo, in_scene(face, before), weight)
        except PawfectError as error:
            if error.kind is ErrorKind.CANCELLED and not stop():
                raise clock.late() from None
            raise
        report = FaceSwapReport(
            pixel_boost=params.pixel_boost,
            caller=params.caller,
            device=swapper.device,
            stage_ms=clock.stage_ms,
            total_ms=clock.total_ms(),
            weights={"swap": identity},
            licence=entry.licence if entry else None,
        )
        return {"IMAGE": image, "MASK": painted, "REPORT": text_tensor(report.to_json())}

    return run


def log_swap(what: str, caller: str | None) -> None:
    """Log that a face is swapped and who asked; nothing of the picture.

    Args:
        what: swaps.
        caller: who asked, as the request says, printable.
    """
    LOG.info("%s: a face is swapped, with consent=true, for caller %s", what, caller or UNKNOWN)


def probe(settings: SwapSettings | None) -> dict[str, Array]:
    """Return the probe's tensors: points of a face as large as a photo of the smallest size."""
    del settings
    points = template(NETWORK_PX) * np.float32(PROBE_PX / NETWORK_PX) + np.float32(4)
    return {"POINTS": points.astype(np.float32), "EMBEDDING": np.ones(512, np.float32)}
