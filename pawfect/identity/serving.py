"""`face_analysis` as a function of tensors, loaded from the first of its networks that is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pawfect.clock import Clock
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.faces import CENTERFACE, KINDS, Face, FaceParams, FaceReport
from pawfect.contract.probe import probe_photo
from pawfect.contract.tensors import Array, check_photo_size
from pawfect.contract.texts import text_tensor
from pawfect.identity import INSTALL
from pawfect.identity.finder import Finder
from pawfect.identity.networks import Find, choose
from pawfect.onnx.session import EXTRA
from pawfect.out_of_memory import fitting
from pawfect.settings import FacesSettings
from pawfect.stop import Stop, never
from pawfect.weights.reading import unusable
from pawfect.weights.store import Store

_INSTALL_OTHER: Final = f"pip install 'pawfect[{EXTRA}]'"


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
    chosen = choose(settings.networks, find)
    with fitting(f"weights {chosen.entry.name}", settings.device):
        finder = _finder(chosen.kind, chosen.folder, settings.threads)
    identity = Store(chosen.folder.parent).identity(chosen.entry.name)

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
            fallbacks=chosen.passed_over,
            weights={"faces": identity},
            licence=chosen.entry.licence,
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


def _finder(kind: str, folder: Path, threads: int) -> Finder:
    """Open the networks of a kind; insightface is imported only where it is needed."""
    if kind == CENTERFACE:
        raise NotImplementedError
    try:
        opened: Callable[[Path, int], Finder] = import_module(
            "pawfect.identity.insight"
        ).InsightFinder
    except ImportError as error:
        package = (error.name or "insightface").partition(".")[0]
        install = INSTALL if package == "insightface" else _INSTALL_OTHER
        problem = f"finding faces with them needs the package {package}: {install}"
        raise unusable(folder, problem) from None
    return opened(folder, threads)
