"""Definitions of `refine`, and of the reading that its texts need."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pawfect.contract.reading import ReadingParams
from pawfect.contract.refine import RefineParams
from pawfect.contract.tensors import MIN_SIDE, REFINE, TEXT_READING
from pawfect.definitions.fill import BY_PATCHES
from pawfect.model import ONNX, Model

REFINING: Final = (
    Model(
        TEXT_READING,
        ReadingParams,
        weights=("reading",),
        settings="reading",
        runtime=ONNX,
        loader="pawfect.ocr.serving:text_reading",
        stoppable=True,
        probe="pawfect.ocr.serving:probe",
        # The smallest that it takes, for 40 ms of CPU; least_score: an empty answer shows no life.
        probe_parameters=MappingProxyType({"least_score": 0.0, "size": MIN_SIDE}),
    ),
    Model(
        REFINE,
        RefineParams,
        orchestration="pawfect.orchestrator.refine:REFINE",
        probe="pawfect.orchestrator.refine:probe",
        probe_parameters=BY_PATCHES,
    ),
)
