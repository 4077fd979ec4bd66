"""`face_analysis` as a function of tensors, loaded from the first of its networks that is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pawfect.clock import Clock
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.faces import KINDS, Face, FaceParams, FaceReport
from pawfect.contract.probe import probe_photo
from pawfect.contract.tensors import Array, check_photo_size
from pawfect.contract.texts import text_tensor
from pawfect.identity.networks import Find, choose
from pawfect.out_of_memory import fitting
from pawfect.settings import FacesSettings
from pawfect.stop import Stop, never
from pawfect.weights.store import Store


class Run(Protocol):
    """One photo looked at; `stop` ends the networks' runs."""

    def __call__(
        self, inputs: Mapping[str, Array], params: FaceParams, stop: Stop = never
    ) -> dict[str, Array]:
        """Return the outputs by tensor name."""
        ...


def face_analysis(settings: FacesSettings, find: Find) -> Run:
    """Load the first networks of the profile that are here.

    Args:
        settings: the networks, in order, threads, and the size at which photos are looked at.
        find: finds the verified folder of an entry of the manifest.

    Raises:
        PawfectError: UNAVAILABLE where none is here, or the first that is cannot be used.
    """
    with fitting("networks that find faces", settings.device):
        chosen = choose(settings.networks, find, settings.threads)
    finder = chosen.finder
    weights = {
        part: Store(find(entry).parent).identity(entry) for part, entry in chosen.entries.items()
    }

    def run(
        inputs: Mapping[str, Array], params: FaceParams, stop: Stop = never
    ) -> dict[str, Array]:
        photo = np.asarray(inputs["IMAGE"])
        height, width = photo.shape[:2]
        check_photo_size(height, width, "IMAGE")
        clock, size = Clock(params.deadline_ms), params.size or settings.size

        def over() -> bool:
            return stop() or clock.over()

        try:
            found = finder.find(photo, size, params.least_score, over, clock.stage)
        except PawfectError as error:
            if error.kind is ErrorKind.CANCELLED and not stop():
                raise clock.late() from None
            raise
        report = FaceReport(
            kind=finder.kind,
            found=len(found.faces),
            left_out=found.left_out,
            size=size,
            device=finder.device,
            width=width,
            height=height,
            stage_ms=clock.stage_ms,
            total_ms=clock.total_ms(),
            fallbacks=chosen.fallbacks,
            weights=weights,
            licence=chosen.licence,
        )
        return face_tensors(finder.kind, found.faces) | {"REPORT": text_tensor(report.to_json())}

    return run


def face_tensors(kind: str, faces: Sequence[Face]) -> dict[str, Array]:
    """Return faces of one kind as `face_analysis` answers them; `read_faces` reads them.

    Args:
        kind: of `pawfect.contract.faces.KINDS`.
        faces: best first; may be none.
    """
    known = KINDS[kind]

    def rows(values: Sequence[NDArray[np.float32]], *shape: int) -> Array:
        return np.array(values, np.float32).reshape(len(faces), *shape)

    return {
        "KIND": text_tensor(kind),
        "BOXES": rows([face.box for face in faces], 4),
        "SCORES": np.array([face.score for face in faces], np.float32),
        "POINTS": rows([face.points for face in faces], 5, 2),
        "LANDMARKS": rows([face.landmarks for face in faces], known.landmarks, 2),
        "EMBEDDINGS": rows([face.embedding for face in faces], known.embedding),
    }


def probe(settings: FacesSettings | None) -> dict[str, Array]:
    """Return the probe's tensors: no face, so that the detector alone has work."""
    del settings
    return {"IMAGE": probe_photo()}
