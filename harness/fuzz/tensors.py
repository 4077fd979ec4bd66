"""Hostile tensors and parameters of a model, made from its contract and its probe's tensors."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from pawfect.contract.parameters import Scalar
from pawfect.contract.tables import field_types
from pawfect.contract.tensors import DTYPES, Array, TensorSpec
from pawfect.model import Model

# Sizes of an axis that may have any: none, small ones, those around the smallest photo's side.
_SIZES: Final = (0, 1, 2, 3, 4, 5, 63, 64, 65, 72, 100)
# Values beside the model's own, per kind: the ends of a type, and what is no number.
_INTEGERS: Final = (0, 1, -1, 2, 3, 64, 255, 2**31 - 1, -(2**31), 2**62, 2**63 - 1, -(2**63))
_FLOATS: Final = (0.0, -1.0, 1.0, 0.5, 1e30, -1e30, 65_504.0, float("nan"), float("inf"), -3.5)
_TEXTS: Final = (
    b"", b" ", b"grass", b"\xff\xfe", "ü".encode() * 9, b"x" * 3000, b"\0", b"{}", b"[" * 3000,
    b'{"masks": [{"bbox": [0, 0, 4, 4]}], "\\ud800": 1}', b"<CAPTION>", b"<OD>",
    b"u2netp:320:static", b"u2netp", b"\x1b[2J", b"region", b"text", b"../../x", b"a, b, c",
    b'{"prompt": 1e999}', b"capabilities",
)  # fmt: skip
_SCALARS: Final[tuple[Scalar, ...]] = (
    True, False, 0, 1, -1, 7, 64, 101, 2**31, 2**63 - 1, -(2**63), 10**400, 0.0, 0.5, -0.5, 1e308,
    float("nan"), float("inf"), "", "auto", "x", "\ud800", "\0", "9" * 5000, "../../x", "none",
    "cpu", "swap", "patch", "white", "raw", "base64", "jpeg",
)  # fmt: skip


def hostile_inputs(rng: random.Random, model: Model, good: Mapping[str, Array]) -> dict[str, Array]:
    """Return inputs of which some are not what the model takes.

    Args:
        rng: decides.
        model: whose.
        good: inputs that it takes, without the batch's axis.
    """
    inputs = dict(good)
    for spec in rng.sample(
        model.spec.inputs, min(rng.choice((1, 1, 1, 2, 4)), len(model.spec.inputs))
    ):
        step = rng.random()
        if step < 0.1:
            inputs.pop(spec.name, None)
        elif step < 0.45 and spec.name in good:
            inputs[spec.name] = _other_values(rng, spec, good[spec.name])
        elif step < 0.9:
            inputs[spec.name] = _of_contract(rng, spec)
        else:
            inputs[spec.name] = _of_any_form(rng)
    return inputs


def hostile_parameters(rng: random.Random, model: Model) -> dict[str, Scalar]:
    """Return parameters of which some are none of the model's, or not as it takes them."""
    own = parameter_names(model)
    names = (*own, *own, "p", "", "\ud800", "__class__")
    return {rng.choice(names): rng.choice(_SCALARS) for _ in range(rng.choice((0, 0, 1, 1, 2, 4)))}


def parameter_names(model: Model) -> list[str]:
    """Return the names of a model's own parameters, in the order of the alphabet."""
    kind: type = model.parameters
    return sorted(field_types(kind))


def _other_values(rng: random.Random, spec: TensorSpec, array: Array) -> Array:
    """Return an array of the same form with other values, all or some."""
    made = _filled(rng, spec.datatype, array.shape)
    if rng.random() < 0.5 or array.size == 0:
        return made
    some = np.array(array, copy=True)
    place = tuple(rng.randrange(size) for size in some.shape)
    some[place] = made[place]
    return some


def _of_contract(rng: random.Random, spec: TensorSpec) -> Array:
    """Return an array whose rank and fixed sizes are the contract's."""
    shape = tuple(size if size >= 0 else rng.choice(_SIZES) for size in spec.shape)
    while np.prod(shape, dtype=float) > 200_000:
        shape = tuple(min(size, 5) if size > 5 else size for size in shape)
    return _filled(rng, spec.datatype, shape)


def _of_any_form(rng: random.Random) -> Array:
    shape = tuple(rng.choice((0, 1, 3, 4)) for _ in range(rng.randrange(5)))
    return _filled(rng, rng.choice(sorted(DTYPES)), shape)


def _filled(rng: random.Random, datatype: str, shape: tuple[int, ...]) -> Array:
    dtype = DTYPES[datatype]
    made: Array
    if datatype == "BYTES":
        made = np.empty(shape, np.object_)
        for place in np.ndindex(shape):
            made[place] = rng.choice(_TEXTS)
        return made
    noise = np.random.default_rng(rng.randrange(2**32))
    with np.errstate(all="ignore"):
        if dtype.kind == "f":
            value: Any = rng.choice(_FLOATS)
            made = np.full(shape, value, np.float64).astype(dtype)
            return made if rng.random() < 0.5 else noise.normal(0, 3, shape).astype(dtype)
        if dtype == np.uint8:
            flat = np.full(shape, rng.choice((0, 1, 127, 128, 255)), np.uint8)
            return flat if rng.random() < 0.5 else noise.integers(0, 256, shape, np.uint8)
        limits = np.iinfo(dtype)
        number = min(max(rng.choice(_INTEGERS), limits.min), limits.max)
        return np.full(shape, number, dtype)
