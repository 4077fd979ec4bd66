"""The contract between server and clients: tensors, dtypes and limits.

Imports nothing but numpy and the table of errors, so that a client needs no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid

Array = NDArray[Any]

# Smallest side of a photo: below it there is no window with any surroundings to fill from.
MIN_SIDE: Final = 64
# Largest side: what phone panoramas reach, and cv2's remap still addresses in 16 bits with room to
# spare.
MAX_SIDE: Final = 16_384
# Most pixels of one photo (the 108 MP of today's largest phone sensors): 330 MB decoded.
MAX_PIXELS: Final = 110_000_000
# A mask value at or above this one means "fill": soft edges and JPEG noise in masks are common.
MASK_THRESHOLD: Final = 128
# Longest text of one label or prompt in bytes; FLUX reads 128 tokens of it.
MAX_TEXT_BYTES: Final = 2048
# Most labels that a request may bring along.
MAX_LABELS: Final = 64

# The input that makes a request to a cached model unlike those before it.
NONCE: Final = "NONCE"

DTYPES: Final[Mapping[str, np.dtype[Any]]] = MappingProxyType(
    {
        "UINT8": np.dtype(np.uint8),
        "INT32": np.dtype(np.int32),
        "INT64": np.dtype(np.int64),
        "FP16": np.dtype(np.float16),
        "FP32": np.dtype(np.float32),
        "BYTES": np.dtype(np.object_),
    }
)


@dataclass(frozen=True)
class TensorSpec:
    """One tensor of a model: Triton's name, datatype and shape (-1: any size)."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True)
class ModelSpec:
    """The tensors of one model, and how Triton passes them.

    Attributes:
        name: Triton's name of it.
        inputs: its input tensors.
        outputs: its output tensors.
        decoupled: it sends several responses to one request.
        max_batch_size: most requests that Triton runs as one batch; above 0 every tensor has a
            leading batch axis on the wire, which the shapes here leave out.
        ensemble: a true ensemble: other models joined by its config, no code.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    decoupled: bool = False
    max_batch_size: int = 0
    ensemble: bool = False

    def input(self, name: str) -> TensorSpec:
        """Return the input of this name; KeyError where there is none."""
        return {spec.name: spec for spec in self.inputs}[name]


IMAGE: Final = TensorSpec("IMAGE", "UINT8", (-1, -1, 3))
MASK: Final = TensorSpec("MASK", "UINT8", (-1, -1))
PROTECT: Final = TensorSpec("PROTECT", "UINT8", (-1, -1), optional=True)
RING: Final = TensorSpec("RING", "UINT8", (-1, -1))
REPORT: Final = TensorSpec("REPORT", "BYTES", (1,))
LABELS: Final = (
    TensorSpec("LABELS", "BYTES", (-1,)),
    TensorSpec("SCORES", "FP32", (-1,)),
    TensorSpec("COVERAGE", "FP32", (-1,)),
)
_WORDS: Final = (
    TensorSpec("SCENE_LABELS", "BYTES", (-1,), optional=True),
    TensorSpec("PROMPT", "BYTES", (1,), optional=True),
)
_INPAINT_INPUTS: Final = (IMAGE, MASK, PROTECT, *_WORDS)

# The models that clients call; `pawfect.models` has these and those behind them.
INPAINT: Final = ModelSpec("inpaint", _INPAINT_INPUTS, (IMAGE, REPORT))
# STAGE and PROGRESS with every message, IMAGE and REPORT with the last.
_STREAMED: Final = (
    IMAGE,
    REPORT,
    TensorSpec("STAGE", "BYTES", (1,)),
    TensorSpec("PROGRESS", "FP32", (1,)),
    TensorSpec("PREVIEW", "UINT8", (-1, -1, 3)),
)
INPAINT_STREAM: Final = ModelSpec("inpaint_stream", _INPAINT_INPUTS, _STREAMED, decoupled=True)
# TYPE and PAYLOAD: see `pawfect.contract.refine`.
REFINE: Final = ModelSpec(
    "refine",
    (
        IMAGE,
        TensorSpec("TYPE", "BYTES", (1,)),
        TensorSpec("PAYLOAD", "BYTES", (1,)),
        TensorSpec("MASKS", "UINT8", (-1, -1, -1), optional=True),
        TensorSpec("REFERENCE", "UINT8", (-1, -1, 3), optional=True),
        # Further ones of any sizes: the bytes of all, and of each its rows and columns.
        TensorSpec("REFERENCES", "UINT8", (-1,), optional=True),
        TensorSpec("REFERENCE_SIZES", "INT32", (-1, 2), optional=True),
        PROTECT,
    ),
    _STREAMED,
    decoupled=True,
)
# DONE, DONE_IMAGES: candidates of an earlier run of the same request, each as JSON of
# `pawfect.contract.search_report.Candidate`, and what DONE_BOX (x0, y0, x1, y1, px) cuts out of it.
# Of each candidate as it comes the same: CANDIDATE, CANDIDATE_IMAGE and CANDIDATE_BOX, outside of
# which it is the photo.
# Proposer `swap` finds the face where there is no MASK.
CANDIDATE_SEARCH: Final = ModelSpec(
    "candidate_search",
    (
        IMAGE,
        TensorSpec("MASK", "UINT8", (-1, -1), optional=True),
        TensorSpec("REFERENCE", "UINT8", (-1, -1, 3), optional=True),
        PROTECT,
        TensorSpec("PROMPT", "BYTES", (1,), optional=True),
        TensorSpec("DONE", "BYTES", (-1,), optional=True),
        TensorSpec("DONE_IMAGES", "UINT8", (-1, -1, -1, 3), optional=True),
        TensorSpec("DONE_BOX", "INT32", (4,), optional=True),
    ),
    (
        *_STREAMED,
        TensorSpec("CANDIDATE", "BYTES", (1,)),
        TensorSpec("CANDIDATE_IMAGE", "UINT8", (-1, -1, 3)),
        TensorSpec("CANDIDATE_BOX", "INT32", (4,)),
    ),
    decoupled=True,
)
# Files as they are, each one BYTES; MASK and PROTECT are read as `pawfect.photo.mask_file` does.
INPAINT_FILE: Final = ModelSpec(
    "inpaint_file",
    (
        TensorSpec("PHOTO", "BYTES", (1,)),
        TensorSpec("MASK", "BYTES", (1,)),
        TensorSpec("PROTECT", "BYTES", (1,), optional=True),
        *_WORDS,
    ),
    (TensorSpec("FILE", "BYTES", (1,)), REPORT),
)
BACKGROUND_REMOVAL: Final = ModelSpec(
    "background_removal",
    (IMAGE, TensorSpec("BACKGROUND", "UINT8", (-1, -1, 3), optional=True)),
    (TensorSpec("ALPHA", "UINT8", (-1, -1)), TensorSpec("CUTOUT", "UINT8", (-1, -1, 4)), REPORT),
)
BACKGROUND_REMOVAL_FILE: Final = ModelSpec(
    "background_removal_file",
    (TensorSpec("PHOTO", "BYTES", (1,)), TensorSpec("BACKGROUND", "BYTES", (1,), optional=True)),
    (TensorSpec("FILE", "BYTES", (1,)), REPORT),
)
PHRASE: Final = TensorSpec("PHRASE", "BYTES", (1,), optional=True)
# x0, y0, x1, y1 in px of the photo.
BOXES: Final = TensorSpec("BOXES", "FP32", (-1, 4), optional=True)
# Beside SCORES, best first.
PROPOSALS: Final = (
    TensorSpec("MASK_LOGITS", "FP32", (-1, -1, -1)),
    TensorSpec("PRESENCE", "FP32", (1,)),
)
# At least one of PHRASE and BOXES.
FIND_MASKS: Final = ModelSpec(
    "find_masks",
    (IMAGE, PHRASE, BOXES),
    (
        TensorSpec("MASKS", "UINT8", (-1, -1, -1)),
        TensorSpec("SCORES", "FP32", (-1,)),
        REPORT,
    ),
)
# Corners in px of the photo, clockwise from each text's own upper left; in reading order.
TEXT_READING: Final = ModelSpec(
    "text_reading",
    (IMAGE,),
    (
        TensorSpec("BOXES", "FP32", (-1, 4, 2)),
        TensorSpec("TEXTS", "BYTES", (-1,)),
        TensorSpec("SCORES", "FP32", (-1,)),
        REPORT,
    ),
)
# Best first. KIND of `pawfect.contract.faces.KINDS` says P and D, 0 where there are none; px of the
# photo.
FACE_ANALYSIS: Final = ModelSpec(
    "face_analysis",
    (IMAGE,),
    (
        TensorSpec("KIND", "BYTES", (1,)),
        TensorSpec("BOXES", "FP32", (-1, 4)),
        TensorSpec("SCORES", "FP32", (-1,)),
        TensorSpec("POINTS", "FP32", (-1, 5, 2)),
        TensorSpec("LANDMARKS", "FP32", (-1, -1, 2)),
        TensorSpec("EMBEDDINGS", "FP32", (-1, -1)),
        REPORT,
    ),
)
# The face at POINTS becomes the one of EMBEDDING. MASK: how much of each pixel was painted.
FACE_SWAP: Final = ModelSpec(
    "face_swap",
    (IMAGE, TensorSpec("POINTS", "FP32", (5, 2)), TensorSpec("EMBEDDING", "FP32", (512,))),
    (IMAGE, MASK, REPORT),
)
_JUDGED: Final = (
    TensorSpec("RESULT", "UINT8", (-1, -1, 3)),
    TensorSpec("ORIGINAL", "UINT8", (-1, -1, 3)),
    MASK,
    TensorSpec("REFERENCE", "UINT8", (-1, -1, 3), optional=True),
)
# What is scored, as JSON of `pawfect.contract.scores.Judgement`.
_SCORES: Final = (TensorSpec("SCORES", "BYTES", (1,)),)
REMOTE_JUDGES: Final[Mapping[str, ModelSpec]] = MappingProxyType(
    {judge: ModelSpec(f"score_{judge}", _JUDGED, _SCORES) for judge in ("gemini", "moondream")}
)
LOCAL_JUDGE: Final = ModelSpec("score_local", _JUDGED, _SCORES)
SCENE_LABELS: Final = ModelSpec("scene_labels", (IMAGE, MASK), LABELS, ensemble=True)


def check_photo_size(height: int, width: int, name: str) -> None:
    """Raise INVALID_ARG unless both sides are 64-16,384 px and the area is at most 110 MP."""
    if not (MIN_SIDE <= height <= MAX_SIDE and MIN_SIDE <= width <= MAX_SIDE):
        raise invalid(name, f"sides of {MIN_SIDE} to {MAX_SIDE} px", f"{width}x{height}")
    if height * width > MAX_PIXELS:
        expected = f"at most {MAX_PIXELS / 1e6:.0f} MP"
        raise invalid(name, expected, f"{width}x{height} = {height * width / 1e6:.1f} MP")
