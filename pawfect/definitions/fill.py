"""Definitions of what fills holes: masks, patches, LaMa, and `inpaint` over all engines."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pawfect.contract.parameters import FillParams, InpaintFileParams, InpaintParams, MaskParams
from pawfect.contract.tensors import (
    IMAGE,
    INPAINT,
    INPAINT_FILE,
    INPAINT_STREAM,
    MASK,
    PROTECT,
    REPORT,
    RING,
    ModelSpec,
    TensorSpec,
)
from pawfect.model import ONNX, Model

# Through an orchestrator a probe takes the fastest way: the other models are probed themselves.
BY_PATCHES: Final = MappingProxyType({"engine": "patch", "protect": "none"})

_COMPILE_FILL: Final = "pawfect.patch.ahead:compile_ahead"

FILL: Final = (
    Model(
        ModelSpec(
            "mask_cleanup",
            (MASK, PROTECT),
            (
                TensorSpec("CLEAN_MASK", "UINT8", (-1, -1)),
                TensorSpec("BOXES", "INT32", (-1, 4)),
                RING,
                REPORT,
            ),
        ),
        MaskParams,
        function="pawfect.picture.serving:mask_cleanup",
    ),
    Model(
        ModelSpec("patch_fill", (IMAGE, MASK, PROTECT), (IMAGE, REPORT)),
        FillParams,
        function="pawfect.patch.serving:patch_fill",
        prepare=_COMPILE_FILL,
        stoppable=True,
    ),
    Model(
        ModelSpec("lama_fill", (IMAGE, MASK, PROTECT), (IMAGE, REPORT)),
        FillParams,
        weights=("lama",),
        settings="lama",
        runtime=ONNX,
        loader="pawfect.lama.serving:lama",
        prepare=_COMPILE_FILL,
        stoppable=True,
    ),
    *(
        Model(
            spec,
            InpaintParams,
            orchestration="pawfect.orchestrator.serving:INPAINT",
            probe_parameters=BY_PATCHES,
        )
        for spec in (INPAINT, INPAINT_STREAM)
    ),
    Model(
        INPAINT_FILE,
        InpaintFileParams,
        orchestration="pawfect.orchestrator.files:INPAINT_FILE",
        probe="pawfect.orchestrator.files:probe",
        probe_parameters=BY_PATCHES,
    ),
)
