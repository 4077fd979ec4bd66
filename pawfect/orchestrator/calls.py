"""What the orchestration asks of the world: call a model by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pawfect.contract.tensors import Array

Scalars = Mapping[str, bool | int | str]


class CallModel(Protocol):
    """Call one model: arrays and scalars in, arrays out.

    Implementations raise PawfectError with the kind that the model meant.
    """

    async def __call__(
        self, model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        """Return the model's outputs by name.

        Args:
            model: name in `pawfect.models.MODELS`.
            inputs: arrays by tensor name; optional ones may be absent.
            parameters: request parameters; of the types that a BLS request can carry.
        """
        ...
