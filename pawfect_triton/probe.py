"""A tiny real inference per model: the only sign of life that a dead stub process cannot give.

Triton's live, ready and model-ready stay 200 when a model's process has died.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tritonclient.grpc as triton

from pawfect.contract.errors import ErrorKind, PawfectError, from_message
from pawfect.contract.probe import PROBE_ID
from pawfect.contract.tensors import Array
from pawfect.models import MODELS
from pawfect.profile import Profile
from pawfect.serving import probe_inputs
from pawfect_triton.tls import Tls


def lacks_weights(error: PawfectError) -> bool:
    """Say whether a model answers UNAVAILABLE for want of its weights: the rest serves."""
    return error.kind is ErrorKind.UNAVAILABLE and "weights" in error.message


def infer_inputs(model: str, arrays: Mapping[str, Array]) -> list[triton.InferInput]:
    """Return a model's inputs as tritonclient sends them."""
    inputs = []
    for name, array in arrays.items():
        datatype = MODELS[model].spec.input(name).datatype
        inputs.append(triton.InferInput(name, list(array.shape), datatype))
        inputs[-1].set_data_from_numpy(array)
    return inputs


class Prober:
    """Asks models for a tiny inference over one gRPC connection.

    Args:
        url: HOST:PORT of the server's gRPC endpoint.
        profile: what the server runs.
        tls: the certificate that it shows, which is then trusted; None: it is unencrypted.
    """

    def __init__(self, url: str, profile: Profile, tls: Tls | None = None) -> None:
        if tls is None:
            self._client = triton.InferenceServerClient(url)
        else:
            # By whatever address it is asked, it shows a certificate for its own name.
            name = [("grpc.ssl_target_name_override", tls.name)]
            self._client = triton.InferenceServerClient(
                url, ssl=True, root_certificates=str(tls.cert), channel_args=name
            )
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
        spec = MODELS[model].spec
        inputs = infer_inputs(model, probe_inputs(model, self._profile))
        given = dict(MODELS[model].probe_parameters)
        try:
            if spec.decoupled:
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
        first = spec.outputs[0]
        # A list may be empty, such as that of labels; a picture never is.
        may_be_empty = first.shape == (-1,) and bool(answers)
        filled = (
            a.as_numpy(first.name) is not None and a.as_numpy(first.name).size for a in answers
        )
        if not may_be_empty and not any(filled):
            raise PawfectError(
                ErrorKind.INTERNAL, f"{model}: answered a probe with an empty {first.name}"
            )

    def _stream(
        self,
        model: str,
        inputs: list[Any],
        given: dict[str, Any],
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
