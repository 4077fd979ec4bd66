"""`background_removal` of every client: one signature and one check, whoever answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from pawfect.contract.cutout import CutoutParams
from pawfect.contract.parameters import Scalar
from pawfect.contract.tensors import Array
from pawfect_client.base import Image
from pawfect_client.inputs import cutout_tensors

# CutOut, or what an event loop waits for it by.
Answer = TypeVar("Answer", covariant=True)


class BackgroundRemoval(Generic[Answer]):
    """Checks a request; the client answers it."""

    def background_removal(
        self, image: Image, *, background: Image | None = None, **parameters: Scalar
    ) -> Answer:
        """Cut the subject out; where there is none alpha is empty, which is no error.

        Args:
            image: UINT8 [H, W, 3] RGB, sides 64-16,384 px, at most 110 MP.
            background: UINT8 [h, w, 3] RGB within the same limits: what the subject is laid on, or
                None.
            parameters: the scalars of `pawfect.contract.cutout.CutoutParams`.

        Returns:
            `CutOut`; of the asynchronous client what is awaited for it.

        Raises:
            PawfectError: INVALID_ARG before anything is sent; else as the server answered, or
                UNAVAILABLE, DEADLINE or CANCELLED where it did not. UNAVAILABLE also where the
                profile has no network for it, or lacks its weights.
        """
        tensors = cutout_tensors(image, background)
        CutoutParams.parse(parameters).laid_on(background=background is not None)
        return self._cut_out(tensors, parameters)

    def _cut_out(self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> Answer:
        """Answer a request that was checked."""
        raise NotImplementedError
