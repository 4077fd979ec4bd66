"""The registry: one definition per model, which everything else reads.

A new model is a definition in `pawfect/definitions` (or one given to `register`), a folder with its
`config.pbtxt` and `model.py`, and the function that the definition names.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import DTYPES, Array
from pawfect.definitions.edit import EDIT
from pawfect.definitions.fill import FILL
from pawfect.definitions.flux import FLUX
from pawfect.definitions.identity import IDENTITY
from pawfect.definitions.klein import KLEIN
from pawfect.definitions.matting import MATTING
from pawfect.definitions.refine import REFINING
from pawfect.definitions.scene import SCENE
from pawfect.definitions.scores import SCORES
from pawfect.definitions.search import SEARCH
from pawfect.model import Model

_DEFINITIONS: Final = (
    *FILL,
    *SCENE,
    *FLUX,
    *KLEIN,
    *EDIT,
    *MATTING,
    *IDENTITY,
    *REFINING,
    *SCORES,
    *SEARCH,
)
_BY_NAME: dict[str, Model] = {model.name: model for model in _DEFINITIONS}
MODELS: Final[Mapping[str, Model]] = MappingProxyType(_BY_NAME)


def register(model: Model) -> Model:
    """Add a model that is defined elsewhere; ValueError where its name is taken by another."""
    if _BY_NAME.setdefault(model.name, model) != model:
        raise ValueError(f"model {model.name}: expected a name that is free, got one in use")
    return model


def check_inputs(name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return a model's inputs in the dtypes of its contract.

    Triton checks the same for callers over the network, but not for a call within the process.

    Raises:
        PawfectError: INVALID_ARG where one is missing, has another rank or fixed size, or holds
            what its dtype cannot.
    """
    checked = {}
    for spec in MODELS[name].spec.inputs:
        if spec.name not in inputs:
            if spec.optional:
                continue
            raise invalid(spec.name, f"{spec.datatype} {list(spec.shape)}", "nothing")
        array = inputs[spec.name]
        fits = len(array.shape) == len(spec.shape) and all(
            want in (-1, got) for want, got in zip(spec.shape, array.shape, strict=True)
        )
        if not fits:
            raise invalid(spec.name, f"shape {list(spec.shape)}", list(array.shape))
        try:
            with np.errstate(invalid="raise", over="raise"):
                checked[spec.name] = array.astype(DTYPES[spec.datatype], copy=False)
        except (ValueError, TypeError, ArithmeticError):
            raise invalid(spec.name, spec.datatype, str(array.dtype)) from None
    return checked
