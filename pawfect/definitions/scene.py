"""Definitions of what names and finds things in a photo: SAM3, Florence-2 and what joins them."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from pawfect.contract.find import FindMasksParams
from pawfect.contract.tensors import (
    BOXES,
    FIND_MASKS,
    IMAGE,
    LABELS,
    PHRASE,
    PROPOSALS,
    RING,
    SCENE_LABELS,
    ModelSpec,
    TensorSpec,
)
from pawfect.model import TRANSFORMERS_UNUSED, Model

SCENE: Final = (
    Model(
        ModelSpec(
            "sam3_labeling",
            # Labels of RING, or proposals for PHRASE, BOXES or both.
            (IMAGE, replace(RING, optional=True), PHRASE, BOXES),
            (*LABELS, *PROPOSALS),
        ),
        weights=("sam3",),
        settings="sam3",
        loader="pawfect.scene.serving:sam3",
        unused=TRANSFORMERS_UNUSED,
    ),
    Model(
        ModelSpec(
            "florence2",
            (IMAGE, RING, TensorSpec("TASK", "BYTES", (1,))),
            (TensorSpec("TEXT", "BYTES", (1,)),),
        ),
        weights=("florence2",),
        settings="florence2",
        loader="pawfect.scene.serving:florence2",
        unused=TRANSFORMERS_UNUSED,
        probe="pawfect.scene.serving:caption_probe",
    ),
    Model(SCENE_LABELS),
    Model(
        FIND_MASKS,
        FindMasksParams,
        orchestration="pawfect.orchestrator.find:FIND_MASKS",
        probe="pawfect.orchestrator.find:probe",
        probe_parameters=MappingProxyType({"least_score": 0.0, "most": 1}),
    ),
)
