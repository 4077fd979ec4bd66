"""A tiny real inference per model: the only sign of life that a dead stub process cannot give.

Triton's live, ready and model-ready stay 200 when a model's process has died.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import tritonclient.grpc as triton

from pawfect.contract import MIN_SIDE, MODELS, Array
from pawfect.errors import ErrorKind, PawfectError, from_message
from pawfect_triton.metrics import PROBE_ID


def _photo() -> Array:
    # A ramp, not a constant: constant tensors would hide swapped axes.
    ramp = np.arange(MIN_SIDE, dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (MIN_SIDE, MIN_SIDE, 3)))


def _mask() -> Array:
    mask = np.zeros((MIN_SIDE, MIN_SIDE), np.uint8)
    mask[30:34, 30:34] = 255
    return mask


def _photo_and_mask() -> dict[str, Array]:
    return {"IMAGE": _photo(), "MASK": _mask()}


PROBES: Mapping[str, Callable[[], dict[str, Array]]] = MappingProxyType(
    {
        "mask_cleanup": lambda: {"MASK": _mask()},
        "patch_fill": _photo_and_mask,
        "inpaint": _photo_and_mask,
        "inpaint_stream": _photo_and_mask,
    }
)


class Prober:
    """Asks models for a tiny inference over one gRPC connection.

    Args:
        url: HOST:PORT of the server's gRPC endpoint.
    """

    def __init__(self, url: str) -> None:
        self._client = triton.InferenceServerClient(url)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def probe(self, model: str, timeout_s: float) -> None:
        """Return when the model has answered.

        Args:
            model: its name.
            timeout_s: longest wait, s.

        Raises:
            PawfectError: MODEL_DOWN, UNAVAILABLE or another kind as the server answered; DEADLINE
                where it did not answer in time (it may be busy).
        """
        answers: list[Any] = []
        inputs = []
        for name, array in PROBES[model]().items():
            item = triton.InferInput(name, list(array.shape), MODELS[model].input(name).datatype)
            item.set_data_from_numpy(array)
            inputs.append(item)
        try:
            if MODELS[model].decoupled:
                self._stream(model, inputs, timeout_s, answers)
            else:
                answers.append(
                    self._client.infer(model, inputs, request_id=PROBE_ID, client_timeout=timeout_s)
                )
        except triton.InferenceServerException as error:
            if error.status() == "StatusCode.DEADLINE_EXCEEDED":
                raise PawfectError(
                    ErrorKind.DEADLINE, f"{model}: no answer to a probe within {timeout_s:.1f} s"
                ) from None
            unreachable = error.status() == "StatusCode.UNAVAILABLE"
            default = ErrorKind.UNAVAILABLE if unreachable else ErrorKind.INTERNAL
            raise from_message(error.message() or str(error), default) from None
        first = MODELS[model].outputs[0].name
        if not any(a.as_numpy(first) is not None and a.as_numpy(first).size for a in answers):
            raise PawfectError(
                ErrorKind.INTERNAL, f"{model}: answered a probe with an empty {first}"
            )

    def _stream(self, model: str, inputs: list[Any], timeout_s: float, answers: list[Any]) -> None:
        errors: list[Any] = []

        def receive(result: Any, error: Any) -> None:
            if error is not None:
                errors.append(error)
            else:
                answers.append(result)

        self._client.start_stream(receive, stream_timeout=timeout_s)
        try:
            self._client.async_stream_infer(model, inputs, request_id=PROBE_ID)
        finally:
            # Closes the sending side and waits until the server has closed the other.
            self._client.stop_stream()
        if errors:
            raise errors[0]
