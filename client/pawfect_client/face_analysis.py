"""A request of `face_analysis`: what is sent, what comes back, and a server without networks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Final

from pawfect.contract.faces import KINDS, FaceReport, read_faces
from pawfect.contract.tensors import FACE_ANALYSIS, Array
from pawfect_client.failures import absent_said
from pawfect_client.results import FacesFound
from pawfect_client.wire import broken, output_of, report_of

_SERVER: Final = "a server that finds faces"
_NAMES: Final = tuple(one.name for one in FACE_ANALYSIS.outputs if one.name != "REPORT")


def faces_found(response: Any) -> FacesFound:
    """Return the faces of a photo, as a ModelInferResponse has them.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    given = {name: output_of(response, name) for name in _NAMES}
    out = {name: array for name, array in given.items() if array is not None}
    if len(out) < len(_NAMES):
        missing = ", ".join(name for name in _NAMES if name not in out)
        raise broken(", ".join(_NAMES), "all of them", f"none of {missing}")
    _check_shapes(out)
    return FacesFound(read_faces(out), report_of(response, FaceReport.from_json))


def _check_shapes(out: dict[str, Array]) -> None:
    """Raise INTERNAL for an unknown kind, and for sizes that are not this kind's."""
    told = out["KIND"].reshape(-1).tolist()
    names = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in told]
    kind = KINDS.get(names[0]) if len(names) == 1 else None
    if kind is None:
        raise broken("KIND", f"one of {', '.join(KINDS)}", ", ".join(map(str, names)) or "none")
    count = len(out["BOXES"]) if out["BOXES"].ndim else 0
    shapes = {
        "BOXES": (count, 4),
        "SCORES": (count,),
        "POINTS": (count, 5, 2),
        "LANDMARKS": (count, kind.landmarks, 2),
        "EMBEDDINGS": (count, kind.embedding),
    }
    for name, shape in shapes.items():
        if out[name].shape != shape:
            raise broken(name, f"{list(shape)} of {names[0]}", str(list(out[name].shape)))


def analyst_asked() -> AbstractContextManager[None]:
    """Have the block's failure say what a server lacks that does not know the model."""
    return absent_said(FACE_ANALYSIS.name, _SERVER)
