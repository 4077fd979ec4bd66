"""Definitions of background removal and of the networks behind it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pawfect.contract.cutout import CutoutFileParams, CutoutParams
from pawfect.contract.tensors import (
    BACKGROUND_REMOVAL,
    BACKGROUND_REMOVAL_FILE,
    IMAGE,
    NONCE,
    REPORT,
    ModelSpec,
    TensorSpec,
)
from pawfect.model import ONNX, Model

_WITHOUT_EDGES: Final = MappingProxyType({"edges": "none"})

MATTING: Final = (
    Model(
        ModelSpec(
            "onnx_networks",
            # A picture of the size that a view of a network sees; NAME:SIZE:RESIZE of that view;
            # cpu where it is not to run on the profile's device.
            (
                IMAGE,
                TensorSpec("NETWORK", "BYTES", (1,)),
                TensorSpec("DEVICE", "BYTES", (1,), optional=True),
                TensorSpec(NONCE, "INT64", (1,), optional=True),
            ),
            (TensorSpec("MAP", "FP32", (-1, -1)), REPORT),
        ),
        settings="onnx",
        finds_weights=True,
        runtime=ONNX,
        loader="pawfect.matting.serving:onnx_networks",
        stoppable=True,
        probe="pawfect.matting.serving:probe",
    ),
    Model(
        BACKGROUND_REMOVAL,
        CutoutParams,
        orchestration="pawfect.orchestrator.cutout:BACKGROUND_REMOVAL",
        prepare="pawfect.matting.ahead:compile_ahead",
        probe_parameters=_WITHOUT_EDGES,
    ),
    Model(
        BACKGROUND_REMOVAL_FILE,
        CutoutFileParams,
        orchestration="pawfect.orchestrator.cutout_file:BACKGROUND_REMOVAL_FILE",
        prepare="pawfect.matting.ahead:compile_ahead",
        probe="pawfect.orchestrator.cutout_file:probe",
        probe_parameters=_WITHOUT_EDGES,
    ),
)
