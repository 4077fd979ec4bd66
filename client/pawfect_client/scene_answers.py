"""What SAM3 answers, labels of surroundings and masks by words, out of Triton's messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from pawfect.contract.find import FindReport
from pawfect.contract.tensors import FIND_MASKS, SCENE_LABELS
from pawfect_client.results import FoundMasks, SceneLabels
from pawfect_client.wire import Call, broken, output, own


def scene_labels(response: Any) -> SceneLabels:
    """Return the labels in a ModelInferResponse.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    names, scores, coverage = (output(response, spec.name) for spec in SCENE_LABELS.outputs)
    if names is None or scores is None or coverage is None:
        raise broken("LABELS, SCORES, COVERAGE", "all three", "fewer")
    if not names.shape == scores.shape == coverage.shape or names.ndim != 1:
        got = f"{list(names.shape)}, {list(scores.shape)}, {list(coverage.shape)}"
        raise broken("LABELS, SCORES, COVERAGE", "one length", got)
    return SceneLabels(
        tuple(name.decode(errors="replace") for name in names.tolist()),
        tuple(map(float, scores.tolist())),
        tuple(map(float, coverage.tolist())),
    )


def found_masks(response: Any, call: Call) -> FoundMasks:
    """Return what was found in a ModelInferResponse.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    masks, scores, report = (output(response, spec.name) for spec in FIND_MASKS.outputs)
    if masks is None or scores is None or report is None or report.size != 1:
        raise broken("MASKS, SCORES, REPORT", "all three", "fewer")
    shape = (len(scores), *call.shape[:2])
    if masks.shape != shape or masks.dtype != np.uint8:
        raise broken("MASKS", f"uint8 {list(shape)}", f"{masks.dtype} {list(masks.shape)}")
    try:
        parsed = FindReport.from_json(report.item())
    except (ValueError, KeyError, TypeError) as error:
        raise broken("REPORT", "entries that this client knows", repr(error)) from None
    return FoundMasks(own(masks), scores.astype(np.float32), parsed)
