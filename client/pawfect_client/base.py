"""What the synchronous and the asynchronous client share: requests, failures, the connection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2_grpc

from pawfect.contract.errors import PawfectError
from pawfect.contract.parameters import Scalar
from pawfect_client import wire
from pawfect_client.failures import failure
from pawfect_client.inputs import inpaint_tensors, tensor_or_parameter
from pawfect_client.results import Done
from pawfect_client.retry import Attempts, RetryPolicy

_DEFAULT_RETRY: Final = RetryPolicy()

Image = NDArray[np.uint8]
# Names (lower case) and values of what goes along with a call as gRPC metadata.
Headers = Sequence[tuple[str, str]]


def _no_headers() -> Headers:
    return ()


class BaseClient:
    """Builds requests and maps failures; the clients send and wait.

    Args:
        url: HOST:PORT of the server's gRPC endpoint, or https://HOST[:PORT] of one behind TLS.
        timeout_s: for one request with its retries, s; None: its deadline and 30 s for the
            transfer, or more for a photo of over 60 MP.
        retry: how often and how patiently a call is repeated that may succeed later.
        headers: asked before each call for its gRPC metadata, such as W3C's `traceparent`.
        called: what messages call the server, for those who are not to read its address; None: its
            address.
        trusted: PEM certificates that vouch for a server behind TLS; None: those that gRPC trusts.

    Raises:
        PawfectError: INVALID_ARG for a url of another form.
    """

    _open_channel: ClassVar[Callable[..., Any]]
    _open_secure_channel: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        url: str = wire.DEFAULT_URL,
        *,
        timeout_s: float | None = None,
        retry: RetryPolicy = _DEFAULT_RETRY,
        headers: Callable[[], Headers] = _no_headers,
        called: str | None = None,
        trusted: bytes | None = None,
    ) -> None:
        self._url, self._secure = wire.target_of(url)
        self._called = called
        self._trusted = trusted
        self._timeout_s = timeout_s
        self._retry = retry
        self._headers = headers
        self._connecting = threading.Lock()
        self._channel: Any = None
        self._stub: Any = None

    def _connected(self) -> Any:
        """Return the stub; its channel is opened by the first call, in that call's event loop."""
        with self._connecting:
            if self._stub is None:
                options = wire.channel_options(self._url)
                if self._secure:
                    trusted = grpc.ssl_channel_credentials(self._trusted)
                    self._channel = self._open_secure_channel(self._url, trusted, options=options)
                else:
                    self._channel = self._open_channel(self._url, options=options)
                self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        return self._stub

    def _request(
        self,
        model: str,
        image: Image,
        mask: Image,
        protect: Image | str | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        parameters: Mapping[str, Scalar] = MappingProxyType({}),
    ) -> wire.Call[Done]:
        """Return the checked call of a model that takes a photo and a mask."""
        guard, parameters = tensor_or_parameter(protect, parameters)
        tensors = inpaint_tensors(image, mask, guard, scene_labels, prompt)
        return wire.call_of(model, tensors, parameters, self._timeout_s)

    def _attempts(self, call: wire.Call[Any]) -> Attempts:
        return Attempts(self._retry, call.timeout_s)

    def _options(self, attempts: Attempts) -> dict[str, Any]:
        """Return what goes along with the next attempt."""
        return {"timeout": attempts.remaining_s(), "metadata": tuple(self._headers())}

    def _failure(
        self, error: grpc.RpcError, call: wire.Call[Any], attempts: Attempts
    ) -> PawfectError:
        over = attempts.remaining_s() == 0
        return failure(error, self._url, call.timeout_s, self._called, over=over)
