"""A throw-away model: a photo's negative. All that a new model takes beside its folder."""

from __future__ import annotations

from collections.abc import Mapping

from pawfect.contract.parameters import NoParams
from pawfect.contract.tensors import IMAGE, Array, ModelSpec
from pawfect.model import Model
from pawfect.models import register


def negative(inputs: Mapping[str, Array], _: NoParams) -> dict[str, Array]:
    return {"IMAGE": 255 - inputs["IMAGE"]}


NEGATIVE = register(
    Model(ModelSpec("negative", (IMAGE,), (IMAGE,)), function="tests.server.negative:negative")
)
