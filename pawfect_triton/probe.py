"""A tiny real inference per model: the only sign of life that a dead stub process cannot give.

Triton's live, ready and model-ready stay 200 when a model's process has died.
"""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np
import tritonclient.grpc as triton

from pawfect.contract.errors import ErrorKind, PawfectError, from_message
from pawfect.contract.probe import PROBE_ID, probe_mask, probe_photo
from pawfect.contract.tensors import MIN_SIDE, MODELS, NONCE, Array
from pawfect.contract.texts import text_tensor
from pawfect.profile import Profile

ORCHESTRATORS: Final = ("inpaint", "inpaint_stream")
# Rows and columns of tokens: those of the smallest photo.
PROBE_GRID: Final = MIN_SIDE // 16


def lacks_weights(error: PawfectError) -> bool:
    """Say whether a model answers UNAVAILABLE for want of its weights: the rest serves."""
    return error.kind is ErrorKind.UNAVAILABLE and "weights" in error.message


def probe_inputs(model: str, profile: Profile) -> dict[str, Array]:
    """Return the tensors of a model's tiny inference.

    Args:
        model: its name in the contract.
        profile: for the widths of its weights.
    """
    flux = profile.flux
    grid = (PROBE_GRID, PROBE_GRID)
    tokens = PROBE_GRID * PROBE_GRID
    tensors: dict[str, Array] = {
        "IMAGE": probe_photo(),
        "MASK": probe_mask(),
        "RING": np.where(probe_mask() > 0, np.uint8(0), np.uint8(255)),
        "TASK": text_tensor("<CAPTION>"),
        "PROMPT": text_tensor("grass"),
        # Never twice the same: the response cache would answer in the encoder's place.
        NONCE: np.array([time.time_ns()], np.int64),
        "SEED": np.array([0], np.int64),
        "LATENTS": np.zeros((tokens, 64), np.float32),
        "CONDITION": np.zeros((tokens, 320), np.float32),
        "TIMESTEP": np.array([500], np.float32),
        "GUIDANCE": np.array([30], np.float32),
        "GRID": np.array(grid, np.int32),
    }
    if flux is not None:
        tensors["PROMPT_EMBEDS"] = np.zeros((flux.text_tokens, flux.text_width), np.float16)
        tensors["POOLED"] = np.zeros(flux.pooled_width, np.float16)
    spec = MODELS[model]
    wanted = [item.name for item in spec.inputs if not item.optional or item.name == NONCE]
    given = {name: tensors[name] for name in wanted}
    return {name: array[None] for name, array in given.items()} if spec.max_batch_size else given


class Prober:
    """Asks models for a tiny inference over one gRPC connection.

    Args:
        url: HOST:PORT of the server's gRPC endpoint.
        profile: what the server runs.
    """

    def __init__(self, url: str, profile: Profile) -> None:
        self._client = triton.InferenceServerClient(url)
        self._profile = profile

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
        for name, array in probe_inputs(model, self._profile).items():
            item = triton.InferInput(name, list(array.shape), MODELS[model].input(name).datatype)
            item.set_data_from_numpy(array)
            inputs.append(item)
        # Through an orchestrator the fastest way: the stages of the other are asked themselves.
        given = {"engine": "patch"} if model in ORCHESTRATORS else None
        try:
            if MODELS[model].decoupled:
                self._stream(model, inputs, given, timeout_s, answers)
            else:
                answers.append(
                    self._client.infer(
                        model, inputs, request_id=PROBE_ID, parameters=given,
                        client_timeout=timeout_s,
                    )
                )  # fmt: skip
        except triton.InferenceServerException as error:
            if error.status() == "StatusCode.DEADLINE_EXCEEDED":
                raise PawfectError(
                    ErrorKind.DEADLINE, f"{model}: no answer to a probe within {timeout_s:.1f} s"
                ) from None
            unreachable = error.status() == "StatusCode.UNAVAILABLE"
            default = ErrorKind.UNAVAILABLE if unreachable else ErrorKind.INTERNAL
            raise from_message(error.message() or str(error), default) from None
        first = MODELS[model].outputs[0].name
        # Labels may be none; everything else is never empty.
        may_be_empty = first == "LABELS" and bool(answers)
        filled = (a.as_numpy(first) is not None and a.as_numpy(first).size for a in answers)
        if not may_be_empty and not any(filled):
            raise PawfectError(
                ErrorKind.INTERNAL, f"{model}: answered a probe with an empty {first}"
            )

    def _stream(
        self,
        model: str,
        inputs: list[Any],
        given: dict[str, Any] | None,
        timeout_s: float,
        answers: list[Any],
    ) -> None:
        errors: list[Any] = []

        def receive(result: Any, error: Any) -> None:
            if error is not None:
                errors.append(error)
            else:
                answers.append(result)

        self._client.start_stream(receive, stream_timeout=timeout_s)
        try:
            self._client.async_stream_infer(model, inputs, request_id=PROBE_ID, parameters=given)
        finally:
            # Closes the sending side and waits until the server has closed the other.
            self._client.stop_stream()
        if errors:
            raise errors[0]
