"""Between arrays and Triton's gRPC messages, and from every failure of a call to a PawfectError.

The synchronous and the asynchronous client share all of it. Both use Triton's generated stubs: the
client class of `tritonclient.grpc` holds one stream at a time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferResult, service_pb2
from tritonclient.utils import serialize_byte_tensor

from pawfect.contract.errors import ErrorKind, PawfectError, from_message, invalid, without_paths
from pawfect.contract.find import FindMasksParams
from pawfect.contract.parameters import InpaintParams, Scalar
from pawfect.contract.probe import PROBE_ID, probe_mask, probe_photo
from pawfect.contract.report import Report
from pawfect.contract.tensors import FIND_MASKS, INPAINT, INPAINT_STREAM, SCENE_LABELS, Array
from pawfect_client.results import Done, Inpainted, SceneLabels, StageEvent

DEFAULT_URL: Final = "127.0.0.1:8001"
# Added to the deadline, which counts from the request's arrival: at least that, and what the photo
# takes each way at 100 Mbit/s, which for the 330 MB of 110 MP are 53 s.
TRANSFER_MARGIN_S: Final = 30.0
_BYTES_PER_S: Final = 100e6 / 8

_SPECS: Final = {spec.name: spec for spec in (INPAINT, INPAINT_STREAM, SCENE_LABELS, FIND_MASKS)}
_LABEL_OUTPUTS: Final = SCENE_LABELS.outputs
_CHANNEL_OPTIONS: Final = (
    # gRPC stops at 4 MB by default; a photo of 110 MP has 330 MB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC would wait up to two minutes before it connects again; our retries come within seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_LOOPBACK = re.compile(r"(localhost|127\.[\d.]+|\[::1\]):\d+")
_URL = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}", re.ASCII)
# A server behind TLS: what Cloud Run gives a service, and load balancers.
_SECURE: Final = "https://"
_SECURE_PORT: Final = 443
# An address as gRPC writes it once it is resolved, such as "ipv4:10.0.0.7:8001: ".
_RESOLVED: Final = re.compile(r"\b(?:ipv4|ipv6|dns|unix):\S*\s?")
# How Triton opens its answer to a request that it refuses before a model sees it.
_REFUSED_BY_TRITON: Final = "[request id:"
_KIND_OF_STATUS: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: ErrorKind.INVALID_ARG,
    grpc.StatusCode.CANCELLED: ErrorKind.CANCELLED,
}
# A server without these models, or one that is no Triton server at all.
_ABSENT: Final = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED}
)


class AnsweredError(PawfectError):
    """A failure that the service itself put into words, with the token of its kind."""


@dataclass(frozen=True)
class Call:
    """One request, ready to be sent as often as it takes.

    Attributes:
        message: Triton's ModelInferRequest.
        shape: of the photo, (H, W, 3).
        timeout_s: for everything: sending, waiting, receiving, retries; s.
    """

    message: Any
    shape: tuple[int, ...]
    timeout_s: float


def target_of(url: str) -> tuple[str, bool]:
    """Return HOST:PORT of a server, and whether the connection to it is encrypted.

    Args:
        url: HOST:PORT, or https://HOST[:PORT] of a server behind TLS (443 where there is none).

    Raises:
        PawfectError: INVALID_ARG for a url of another form.
    """
    secure, target = url.startswith(_SECURE), url.removeprefix(_SECURE)
    if secure and not re.search(r":\d*$", target):
        target = f"{target}:{_SECURE_PORT}"
    if not _URL.fullmatch(target):
        expected = "HOST:PORT of the server's gRPC endpoint, or https://HOST of one behind TLS"
        raise invalid("url", expected, repr(url))
    return target, secure


def channel_options(url: str) -> list[tuple[str, int]]:
    """Return gRPC's options for a channel to HOST:PORT."""
    # A proxy from the environment cannot reach this machine's own loopback.
    proxy = [("grpc.enable_http_proxy", 0)] if _LOOPBACK.fullmatch(url) else []
    return [*_CHANNEL_OPTIONS, *proxy]


def call_of(
    model: str,
    tensors: Mapping[str, Array],
    parameters: Mapping[str, Scalar],
    timeout_s: float | None,
) -> Call:
    """Return the call of a model.

    Args:
        model: `inpaint`, `inpaint_stream`, `scene_labels` or `find_masks`.
        tensors: inputs by name, as `pawfect_client.inputs` checked them.
        parameters: request parameters; checked here, sent as given.
        timeout_s: None: the request's deadline and a margin for the transfer.

    Raises:
        PawfectError: INVALID_ARG for an unknown parameter or one of another type or out of bounds.
    """
    kind = FindMasksParams if model == FIND_MASKS.name else InpaintParams
    params = kind.parse(parameters)
    message = service_pb2.ModelInferRequest(model_name=model)
    for name, array in tensors.items():
        datatype = _SPECS[model].input(name).datatype
        message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        packed = serialize_byte_tensor(array).item() if datatype == "BYTES" else array.tobytes()
        message.raw_input_contents.append(packed)
    for name, value in parameters.items():
        _set_parameter(message.parameters[name], value)
    if timeout_s is None:
        both_ways_s = 2 * tensors["IMAGE"].nbytes / _BYTES_PER_S
        timeout_s = params.deadline_ms / 1000 + max(TRANSFER_MARGIN_S, both_ways_s)
    return Call(message, tensors["IMAGE"].shape, timeout_s)


def probe_call(timeout_s: float | None) -> Call:
    """Return the call that asks `inpaint` for the tiny inference of `pawfect.contract.probe`."""
    # The fastest way through: whether FLUX is well, its own probes tell the server.
    call = call_of(
        "inpaint", {"IMAGE": probe_photo(), "MASK": probe_mask()}, {"engine": "patch"}, timeout_s
    )
    call.message.id = PROBE_ID
    return call


def _set_parameter(parameter: Any, value: Scalar) -> None:
    if isinstance(value, str):
        parameter.string_param = value
    elif isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, int):
        parameter.int64_param = value
    else:
        parameter.double_param = value


def inpainted(response: Any, call: Call) -> Inpainted:
    """Return the result in a ModelInferResponse.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    image, report = _output(response, "IMAGE"), _output(response, "REPORT")
    if image is None or image.shape != call.shape or image.dtype != np.uint8:
        got = "nothing" if image is None else f"{image.dtype} {list(image.shape)}"
        raise _broken("IMAGE", f"uint8 {list(call.shape)}", got)
    if report is None or report.size != 1:
        raise _broken("REPORT", "one text", "nothing" if report is None else str(report.size))
    try:
        parsed = Report.from_json(report.item())
    except (ValueError, KeyError, TypeError) as error:
        raise _broken("REPORT", "entries that this client knows", repr(error)) from None
    return Inpainted(_own(image), parsed)


def scene_labels(response: Any) -> SceneLabels:
    """Return the labels in a ModelInferResponse.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    names, scores, coverage = (_output(response, spec.name) for spec in _LABEL_OUTPUTS)
    if names is None or scores is None or coverage is None:
        raise _broken("LABELS, SCORES, COVERAGE", "all three", "fewer")
    if not names.shape == scores.shape == coverage.shape or names.ndim != 1:
        got = f"{list(names.shape)}, {list(scores.shape)}, {list(coverage.shape)}"
        raise _broken("LABELS, SCORES, COVERAGE", "one length", got)
    return SceneLabels(
        tuple(name.decode(errors="replace") for name in names.tolist()),
        tuple(map(float, scores.tolist())),
        tuple(map(float, coverage.tolist())),
    )


def stream_event(response: Any, call: Call) -> StageEvent | Done:
    """Return what a ModelStreamInferResponse says.

    Raises:
        PawfectError: the failure that it carries, or INTERNAL as `inpainted` does.
    """
    if response.error_message:
        raise _failure_in_stream(response.error_message)
    answer = response.infer_response
    if _output(answer, "IMAGE") is not None:
        result = inpainted(answer, call)
        return Done(result.image, result.report)
    stage, progress = _output(answer, "STAGE"), _output(answer, "PROGRESS")
    if stage is None or progress is None or stage.size != 1 or progress.size != 1:
        raise _broken("STAGE, PROGRESS", "one of each", "something else")
    preview = _output(answer, "PREVIEW")
    return StageEvent(
        stage.item().decode(errors="replace"),
        float(progress.item()),
        None if preview is None else _own(preview),
    )


def ended_early() -> PawfectError:
    """Return the error of a stream that ended without a result."""
    return _broken("stream", "a result at its end", "none")


def failure(
    error: Exception, url: str, timeout_s: float, called: str | None = None, *, over: bool = False
) -> PawfectError:
    """Return the PawfectError of a failed call.

    Args:
        error: a grpc.RpcError.
        url: HOST:PORT that was called.
        timeout_s: how long the caller was ready to wait, s.
        called: what the message calls the server; None: its url. No other address is in it.
        over: whether that time is over. gRPC's asyncio calls it an internal error of its own where
            the time ran out while it still sent the request.
    """
    status = cast("Any", error)
    code, details = status.code(), status.details() or ""
    if _has_token(details):
        return _answered(details)
    server = called or url
    late = PawfectError(
        ErrorKind.DEADLINE, f"expected an answer from {server} within {timeout_s:g} s, got none"
    )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return late
    details = _RESOLVED.sub("", details).replace(url, server)
    if code in _KIND_OF_STATUS:
        return PawfectError(_KIND_OF_STATUS[code], without_paths(details))
    default = ErrorKind.UNAVAILABLE if code in _ABSENT else ErrorKind.INTERNAL
    mapped = from_message(details, default)
    if over and mapped.kind is ErrorKind.INTERNAL:
        return late
    return PawfectError(mapped.kind, f"{server}: {mapped.message}")


def _failure_in_stream(message: str) -> PawfectError:
    """Map a stream's message, which comes without a status code."""
    if _has_token(message):
        return _answered(message)
    refused = message.lstrip().startswith(_REFUSED_BY_TRITON)
    return from_message(message, ErrorKind.INVALID_ARG if refused else ErrorKind.INTERNAL)


def _has_token(message: str) -> bool:
    return any(kind.value in message for kind in ErrorKind)


def _answered(message: str) -> AnsweredError:
    mapped = from_message(message)
    return AnsweredError(mapped.kind, mapped.message)


def _broken(what: str, expected: str, got: str) -> PawfectError:
    return PawfectError(ErrorKind.INTERNAL, f"{what} of the answer: expected {expected}, got {got}")


def _output(response: Any, name: str) -> Array | None:
    array: Array | None = InferResult(response).as_numpy(name)
    return array


def _own(array: Array) -> NDArray[np.uint8]:
    """Return a writable copy: the array is a view of the message's bytes."""
    return array.astype(np.uint8)
