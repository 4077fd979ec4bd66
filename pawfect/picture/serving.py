"""`mask_cleanup` as a function of tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from pawfect.contract.parameters import MaskParams
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.picture.mask import clean_mask


def mask_cleanup(inputs: Mapping[str, Array], params: MaskParams) -> dict[str, Array]:
    """Clean a mask; see `pawfect.picture.mask.clean_mask`."""
    cleaned = clean_mask(
        inputs["MASK"],
        inputs.get("PROTECT"),
        dilate_px=params.dilate_px,
        least_speck_px=params.least_speck_px,
        fill_outlines=params.fill_outlines,
    )
    return {
        "CLEAN_MASK": cleaned.mask,
        "BOXES": cleaned.boxes,
        "RING": cleaned.ring,
        "REPORT": text_tensor(json.dumps(asdict(cleaned.changes))),
    }
