"""Between arrays and Triton's gRPC messages.

The synchronous and the asynchronous client share all of it. Both use Triton's generated stubs: the
client class of `tritonclient.grpc` holds one stream at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferResult, service_pb2
from tritonclient.utils import serialize_byte_tensor

from pawfect.contract.candidates import FoundCandidate
from pawfect.contract.cutout import CutoutParams, CutoutReport
from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.faces import FaceParams
from pawfect.contract.find import FindMasksParams
from pawfect.contract.parameters import InpaintParams, Scalar
from pawfect.contract.probe import PROBE_ID, probe_mask, probe_photo
from pawfect.contract.reading import ReadingParams
from pawfect.contract.refine import RefineParams
from pawfect.contract.report import Report
from pawfect.contract.search import SearchParams
from pawfect.contract.tensors import (
    BACKGROUND_REMOVAL,
    CANDIDATE_SEARCH,
    FACE_ANALYSIS,
    FIND_MASKS,
    INPAINT,
    INPAINT_STREAM,
    REFINE,
    SCENE_LABELS,
    TEXT_READING,
    Array,
    ModelSpec,
)
from pawfect_client.failures import failure_in_stream
from pawfect_client.results import CutOut, Done, Inpainted, SceneLabels, StageEvent

AnyReport = TypeVar("AnyReport")
AnyParams = (
    InpaintParams
    | CutoutParams
    | FaceParams
    | FindMasksParams
    | ReadingParams
    | RefineParams
    | SearchParams
)
# What a call's answer, or the last message of its stream, becomes.
End = TypeVar("End")

DEFAULT_URL: Final = "127.0.0.1:8001"
# Added to the deadline, which counts from the request's arrival: at least that, and what the photo
# takes each way at 100 Mbit/s, which for the 330 MB of 110 MP are 53 s.
TRANSFER_MARGIN_S: Final = 30.0
_BYTES_PER_S: Final = 100e6 / 8

# The models that are called, the scalars that each takes, and the bytes that it answers for each of
# the photo's pixels.
_MODELS: Final[Mapping[str, tuple[ModelSpec, type[AnyParams], int]]] = {
    INPAINT.name: (INPAINT, InpaintParams, 3),
    INPAINT_STREAM.name: (INPAINT_STREAM, InpaintParams, 3),
    SCENE_LABELS.name: (SCENE_LABELS, InpaintParams, 0),
    BACKGROUND_REMOVAL.name: (BACKGROUND_REMOVAL, CutoutParams, 5),
    FIND_MASKS.name: (FIND_MASKS, FindMasksParams, 1),
    REFINE.name: (REFINE, RefineParams, 3),
    TEXT_READING.name: (TEXT_READING, ReadingParams, 0),
    FACE_ANALYSIS.name: (FACE_ANALYSIS, FaceParams, 0),
    # Candidates come while the others are made.
    CANDIDATE_SEARCH.name: (CANDIDATE_SEARCH, SearchParams, 3),
}
_LABEL_OUTPUTS: Final = SCENE_LABELS.outputs
_CHANNEL_OPTIONS: Final = (
    # gRPC stops at 4 MB by default; a photo of 110 MP has 330 MB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC would wait up to two minutes before it connects again; our retries come within seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Of a name with several servers all are called, in turn; by default the first alone.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
)
_LOOPBACK = re.compile(r"(localhost|127\.[\d.]+|\[::1\]):\d+")
_URL = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}", re.ASCII)
# A server behind TLS: what Cloud Run gives a service, and load balancers.
_SECURE: Final = "https://"
_SECURE_PORT: Final = 443


@dataclass(frozen=True)
class Call(Generic[End]):
    """One request, ready to be sent as often as it takes.

    Attributes:
        message: Triton's ModelInferRequest.
        shape: of the photo, (H, W, 3).
        timeout_s: for everything: sending, waiting, receiving, retries; s.
        read: of a streamed answer, returns what its last message says.
        found: returns the candidate that another message of it brings; None: there are none.
    """

    message: Any
    shape: tuple[int, ...]
    timeout_s: float
    read: Callable[[Any, Call[End]], End]
    found: Callable[[Any, Call[Any]], FoundCandidate | None] | None = None


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


def channel_options(url: str) -> list[tuple[str, int | str]]:
    """Return gRPC's options for a channel to HOST:PORT."""
    # A proxy from the environment cannot reach this machine's own loopback.
    proxy = [("grpc.enable_http_proxy", 0)] if _LOOPBACK.fullmatch(url) else []
    return [*_CHANNEL_OPTIONS, *proxy]


def call_of(
    model: str,
    tensors: Mapping[str, Array],
    parameters: Mapping[str, Scalar],
    timeout_s: float | None,
) -> Call[Done]:
    """Return the call of a model.

    Args:
        model: one that takes an IMAGE: `inpaint`, `inpaint_stream`, `scene_labels`,
            `background_removal`, `find_masks`, `text_reading`, `face_analysis`, `refine` or
            `candidate_search`.
        tensors: inputs by name, as `pawfect_client.inputs` checked them.
        parameters: request parameters; checked here, sent as given.
        timeout_s: None: the request's deadline and a margin for the transfer.

    Raises:
        PawfectError: INVALID_ARG for an unknown parameter or one of another type or out of bounds.
    """
    spec, kind, answered = _MODELS[model]
    params = kind.parse(parameters)
    message = service_pb2.ModelInferRequest(model_name=model)
    for name, array in tensors.items():
        datatype = spec.input(name).datatype
        message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        packed = serialize_byte_tensor(array).item() if datatype == "BYTES" else array.tobytes()
        message.raw_input_contents.append(packed)
    for name, value in parameters.items():
        _set_parameter(message.parameters[name], value)
    if timeout_s is None:
        height, width = tensors["IMAGE"].shape[:2]
        sent = sum(array.nbytes for array in tensors.values())
        timeout_s = params.deadline_ms / 1000 + _margin_s(sent + answered * height * width)
    return Call(message, tensors["IMAGE"].shape, timeout_s, _done)


def _margin_s(transferred: int) -> float:
    """Return what is added to a deadline for so many bytes, both ways together, s."""
    return max(TRANSFER_MARGIN_S, transferred / _BYTES_PER_S)


def probe_call(timeout_s: float | None) -> Call[Done]:
    """Return the call that asks `inpaint` for the tiny inference of `pawfect.contract.probe`."""
    # The fastest way through: whether what denoises is well, its own probes tell the server. With a
    # PROTECT given, no network is asked for one, which may be busy with a long cut-out.
    mask = probe_mask()
    tensors = {"IMAGE": probe_photo(), "MASK": mask, "PROTECT": np.zeros_like(mask)}
    call = call_of("inpaint", tensors, {"engine": "patch"}, timeout_s)
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


def inpainted(response: Any, call: Call[Any]) -> Inpainted:
    """Return the result in a ModelInferResponse.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    image = picture_of(response, "IMAGE", call.shape)
    return Inpainted(image, report_of(response, Report.from_json))


def _done(response: Any, call: Call[Done]) -> Done:
    result = inpainted(response, call)
    return Done(result.image, result.report)


def cut_out(response: Any, call: Call[Any]) -> CutOut:
    """Return the cut-out in a ModelInferResponse.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    size = call.shape[:2]
    alpha, cutout = picture_of(response, "ALPHA", size), picture_of(response, "CUTOUT", (*size, 4))
    return CutOut(alpha, cutout, report_of(response, CutoutReport.from_json))


def scene_labels(response: Any) -> SceneLabels:
    """Return the labels in a ModelInferResponse.

    Raises:
        PawfectError: INTERNAL for an answer that is not what the contract says.
    """
    names, scores, coverage = (output_of(response, spec.name) for spec in _LABEL_OUTPUTS)
    if names is None or scores is None or coverage is None:
        raise broken("LABELS, SCORES, COVERAGE", "all three", "fewer")
    if not names.shape == scores.shape == coverage.shape or names.ndim != 1:
        got = f"{list(names.shape)}, {list(scores.shape)}, {list(coverage.shape)}"
        raise broken("LABELS, SCORES, COVERAGE", "one length", got)
    return SceneLabels(
        tuple(name.decode(errors="replace") for name in names.tolist()),
        tuple(map(float, scores.tolist())),
        tuple(map(float, coverage.tolist())),
    )


def stream_event(response: Any, call: Call[End]) -> StageEvent | End:
    """Return what a ModelStreamInferResponse says.

    Raises:
        PawfectError: the failure that it carries, or INTERNAL for an answer that is not what the
            contract says.
    """
    if response.error_message:
        raise failure_in_stream(response.error_message)
    answer = response.infer_response
    if output_of(answer, "IMAGE") is not None:
        return call.read(answer, call)
    stage, progress = output_of(answer, "STAGE"), output_of(answer, "PROGRESS")
    if stage is None or progress is None or stage.size != 1 or progress.size != 1:
        raise broken("STAGE, PROGRESS", "one of each", "something else")
    preview = output_of(answer, "PREVIEW")
    return StageEvent(
        stage.item().decode(errors="replace"),
        float(progress.item()),
        None if preview is None else _own(preview),
        None if call.found is None else call.found(answer, call),
    )


def ended_early() -> PawfectError:
    """Return the error of a stream that ended without a result."""
    return broken("stream", "a result at its end", "none")


def picture_of(response: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return an output of an answer, UINT8 of a shape; INTERNAL for anything else."""
    picture = output_of(response, name)
    if picture is None or picture.shape != shape or picture.dtype != np.uint8:
        got = "nothing" if picture is None else f"{picture.dtype} {list(picture.shape)}"
        raise broken(name, f"uint8 {list(shape)}", got)
    return _own(picture)


def report_of(response: Any, read: Callable[[bytes], AnyReport]) -> AnyReport:
    """Return an answer's REPORT, as `read` reads it; INTERNAL for none, and what it refuses."""
    report = output_of(response, "REPORT")
    if report is None or report.size != 1:
        raise broken("REPORT", "one text", "nothing" if report is None else str(report.size))
    try:
        return read(report.item())
    except (ValueError, KeyError, TypeError) as error:
        raise broken("REPORT", "entries that this client knows", repr(error)) from None


def broken(what: str, expected: str, got: str) -> PawfectError:
    """Return the error of an answer that is not what the contract says."""
    return PawfectError(ErrorKind.INTERNAL, f"{what} of the answer: expected {expected}, got {got}")


def output_of(response: Any, name: str) -> Array | None:
    """Return an output of an answer, a view of the message's bytes; None where it has none."""
    array: Array | None = InferResult(response).as_numpy(name)
    return array


def _own(array: Array) -> NDArray[np.uint8]:
    """Return a writable copy: the array is a view of the message's bytes."""
    return array.astype(np.uint8)
