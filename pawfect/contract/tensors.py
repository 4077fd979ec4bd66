"""The contract between server and clients: models, tensors, dtypes, request parameters and limits.

Imports nothing but numpy and the table of errors, so that a client needs no more. Each
`config.pbtxt` is held equal to this table by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid

Array = NDArray[np.generic]

# Smallest side of a photo: below it there is no window with any surroundings to fill from.
MIN_SIDE: Final = 64
# Largest side: what phone panoramas reach, and cv2's remap still addresses in 16 bits with room to
# spare.
MAX_SIDE: Final = 8192
# Most pixels of one photo (50 MP, the large mode of today's phones): 150 MB decoded.
MAX_PIXELS: Final = 50_000_000
# A mask value at or above this one means "fill": soft edges and JPEG noise in masks are common.
MASK_THRESHOLD: Final = 128
# Longest text of one label or prompt in bytes; FLUX reads 128 tokens of it.
MAX_TEXT_BYTES: Final = 2048
# Most labels that a request may bring along.
MAX_LABELS: Final = 64

# The input that makes a request to a cached model unlike those before it.
NONCE: Final = "NONCE"

DTYPES = MappingProxyType(
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
    """One model as clients see it.

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


_IMAGE = TensorSpec("IMAGE", "UINT8", (-1, -1, 3))
_MASK = TensorSpec("MASK", "UINT8", (-1, -1))
_PROTECT = TensorSpec("PROTECT", "UINT8", (-1, -1), optional=True)
_REPORT = TensorSpec("REPORT", "BYTES", (1,))
_RING = TensorSpec("RING", "UINT8", (-1, -1))
_LABELS = (
    TensorSpec("LABELS", "BYTES", (-1,)),
    TensorSpec("SCORES", "FP32", (-1,)),
    TensorSpec("COVERAGE", "FP32", (-1,)),
)
# FLUX's tokens are 2x2 pixels of the latents, 16x16 of the picture. Widths of text embeddings
# differ between the full-size model (4096 and 768) and the tiny one.
_LATENTS = TensorSpec("LATENTS", "FP32", (-1, 64))
_CONDITION = TensorSpec("CONDITION", "FP32", (-1, 320))
_PROMPT_EMBEDS = TensorSpec("PROMPT_EMBEDS", "FP16", (-1, -1))
_POOLED = TensorSpec("POOLED", "FP16", (-1,))
_GRID = TensorSpec("GRID", "INT32", (2,))
_INPAINT_INPUTS = (
    _IMAGE,
    _MASK,
    _PROTECT,
    TensorSpec("SCENE_LABELS", "BYTES", (-1,), optional=True),
    TensorSpec("PROMPT", "BYTES", (1,), optional=True),
)
_INPAINT_OUTPUTS = (_IMAGE, _REPORT)

MODELS = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ModelSpec(
                "mask_cleanup",
                (_MASK, _PROTECT),
                (
                    TensorSpec("CLEAN_MASK", "UINT8", (-1, -1)),
                    TensorSpec("BOXES", "INT32", (-1, 4)),
                    _RING,
                    _REPORT,
                ),
            ),
            ModelSpec("patch_fill", (_IMAGE, _MASK, _PROTECT), (_IMAGE, _REPORT)),
            ModelSpec("sam3_labeling", (_IMAGE, _RING), _LABELS),
            ModelSpec(
                "florence2",
                (_IMAGE, _RING, TensorSpec("TASK", "BYTES", (1,))),
                (TensorSpec("TEXT", "BYTES", (1,)),),
            ),
            ModelSpec("scene_labels", (_IMAGE, _MASK), _LABELS, ensemble=True),
            ModelSpec(
                "flux_text_encoder",
                # NONCE: any number; one that was not sent before leads past the response cache.
                (
                    TensorSpec("PROMPT", "BYTES", (1,)),
                    TensorSpec(NONCE, "INT64", (1,), optional=True),
                ),
                # CUT: tokens of the prompt over the limit, which the embeddings leave out.
                (_PROMPT_EMBEDS, _POOLED, TensorSpec("CUT", "INT32", (1,))),
            ),
            ModelSpec(
                "flux_vae_encoder",
                (
                    _IMAGE,
                    _MASK,
                    TensorSpec("SEED", "INT64", (1,)),
                    TensorSpec("PREFILL", "UINT8", (-1, -1, 3), optional=True),
                ),
                # PRIOR: only where PREFILL is given.
                (_LATENTS, _CONDITION, TensorSpec("PRIOR", "FP32", (-1, 64))),
            ),
            ModelSpec(
                "flux_transformer",
                (
                    _LATENTS,
                    _CONDITION,
                    _PROMPT_EMBEDS,
                    _POOLED,
                    TensorSpec("TIMESTEP", "FP32", (1,)),
                    TensorSpec("GUIDANCE", "FP32", (1,)),
                    _GRID,
                ),
                (TensorSpec("VELOCITY", "FP32", (-1, 64)),),
                max_batch_size=8,
            ),
            ModelSpec("flux_vae_decoder", (_LATENTS, _GRID), (_IMAGE,)),
            ModelSpec("inpaint", _INPAINT_INPUTS, _INPAINT_OUTPUTS),
            ModelSpec(
                "inpaint_stream",
                _INPAINT_INPUTS,
                (
                    *_INPAINT_OUTPUTS,
                    TensorSpec("STAGE", "BYTES", (1,)),
                    TensorSpec("PROGRESS", "FP32", (1,)),
                    TensorSpec("PREVIEW", "UINT8", (-1, -1, 3)),
                ),
                decoupled=True,
            ),
        )
    }
)


def check_photo_size(height: int, width: int, name: str) -> None:
    """Raise INVALID_ARG unless both sides are 64-8192 px and the area is at most 50 MP."""
    if not (MIN_SIDE <= height <= MAX_SIDE and MIN_SIDE <= width <= MAX_SIDE):
        raise invalid(name, f"sides of {MIN_SIDE} to {MAX_SIDE} px", f"{width}x{height}")
    if height * width > MAX_PIXELS:
        expected = f"at most {MAX_PIXELS / 1e6:.0f} MP"
        raise invalid(name, expected, f"{width}x{height} = {height * width / 1e6:.1f} MP")
