"""Definitions of what finds, compares and swaps faces."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pawfect.contract.faces import FaceParams, FaceSwapParams
from pawfect.contract.tensors import FACE_ANALYSIS, FACE_SWAP
from pawfect.model import ONNX, Model

IDENTITY: Final = (
    Model(
        FACE_ANALYSIS,
        FaceParams,
        settings="faces",
        finds_weights=True,
        runtime=ONNX,
        loader="pawfect.identity.serving:face_analysis",
        stoppable=True,
        probe="pawfect.identity.serving:probe",
    ),
    Model(
        FACE_SWAP,
        FaceSwapParams,
        weights=("swap",),
        settings="swap",
        runtime=ONNX,
        loader="pawfect.identity.swapping:face_swap",
        stoppable=True,
        probe="pawfect.identity.swapping:probe",
        probe_parameters=MappingProxyType({"consent": True, "caller": "probe", "pixel_boost": 128}),
    ),
)
