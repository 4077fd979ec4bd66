"""The models as functions of plain arrays and scalars, for `model.py` and the local flow.

Every function takes inputs by tensor name, as in `pawfect.contract.tensors`, and request
parameters, and returns outputs by tensor name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import FillParams, MaskParams, Scalar
from pawfect.contract.tensors import MASK_THRESHOLD, MODELS, Array
from pawfect.contract.texts import text_tensor
from pawfect.patch import fill_with_choice
from pawfect.picture.mask import clean_mask

Function = Callable[[Mapping[str, Array], Mapping[str, Scalar]], dict[str, Array]]


def mask_cleanup(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> dict[str, Array]:
    """Clean a mask; see `pawfect.picture.mask.clean_mask`."""
    params = MaskParams.parse(parameters)
    check_inputs("mask_cleanup", inputs)
    protect = inputs.get("PROTECT")
    cleaned = clean_mask(
        inputs["MASK"].astype(np.uint8, copy=False),
        None if protect is None else protect.astype(np.uint8, copy=False),
        dilate_px=params.dilate_px,
    )
    done = {
        "dilate_px": round(cleaned.dilate_px, 2),
        "specks": cleaned.specks,
        "pinholes": cleaned.pinholes,
    }
    return {
        "CLEAN_MASK": cleaned.mask,
        "BOXES": cleaned.boxes,
        "RING": cleaned.ring,
        "REPORT": text_tensor(json.dumps(done)),
    }


def patch_fill(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> dict[str, Array]:
    """Fill one window from its own patches; see `pawfect.patch.patch_fill`."""
    params = FillParams.parse(parameters)
    check_inputs("patch_fill", inputs)
    image = inputs["IMAGE"].astype(np.uint8, copy=False)
    mask = inputs["MASK"].astype(np.uint8, copy=False)
    protect = inputs.get("PROTECT")
    for name, plane in (("MASK", mask), ("PROTECT", protect)):
        if plane is not None and plane.shape != image.shape[:2]:
            expected = f"the image's size {image.shape[1]}x{image.shape[0]}"
            raise invalid(name, expected, f"{plane.shape[1]}x{plane.shape[0]}")
    if not 0 < np.count_nonzero(mask >= MASK_THRESHOLD) < mask.size:
        raise invalid("MASK", "some pixels to fill and some to keep", "an empty or a full mask")
    result = fill_with_choice(
        image,
        mask,
        protect=None if protect is None else protect.astype(np.uint8, copy=False),
        seed=params.seed,
        working_px=params.working_px,
    )
    choice = {"method": result.method, "scores": dict(result.scores)}
    return {"IMAGE": result.image, "REPORT": text_tensor(json.dumps(choice))}


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {"mask_cleanup": mask_cleanup, "patch_fill": patch_fill}
)


def check_inputs(model: str, inputs: Mapping[str, Array]) -> None:
    """Raise INVALID_ARG unless all inputs are there with the contract's ranks and fixed sizes.

    Triton checks the same for whoever calls over the network, but not for a call within the
    process.
    """
    for spec in MODELS[model].inputs:
        if spec.name not in inputs:
            if spec.optional:
                continue
            raise invalid(spec.name, f"{spec.datatype} {list(spec.shape)}", "nothing")
        shape = inputs[spec.name].shape
        fits = len(shape) == len(spec.shape) and all(
            want in (-1, got) for want, got in zip(spec.shape, shape, strict=True)
        )
        if not fits:
            raise invalid(spec.name, f"shape {list(spec.shape)}", list(shape))
