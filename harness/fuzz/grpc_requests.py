"""Malformed gRPC requests for Triton, made from good ones; the same for the same seed.

    request_of(model, profile)   a good request, of the model's own probe
    made(seed, number, good)     the case of that number: what to send where, and what was done

Some mutations leave a request as good as it was; most of a run's requests are refused.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tritonclient.grpc import service_pb2 as pb

from harness.fuzz.bytes_mutated import INTEGERS, mutated, with_right_sums
from harness.fuzz.tensors import parameter_names
from pawfect.models import MODELS
from pawfect.profile import Profile
from pawfect.serving import probe_inputs
from pawfect_triton.probe import infer_inputs

INFER: Final = "ModelInfer"
STREAM: Final = "ModelStreamInfer"
_DATATYPES: Final = (
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BF16", "BYTES", "", "uint8", "FP8", "VOID", "BYTES\0", "x" * 4096,
)  # fmt: skip
# The largest of these times each other overflow 64 bits, and some of the products come out small.
_SIZES: Final = (
    0, -1, 1, 2, 3, 63, 64, 65, 255, 16_385, 2**31 - 1, 2**31, 2**32, 2**32 + 1, 2**33,
    2**61, 2**62, 2**62 + 16, 2**63 - 1, -(2**63), -2, -64,
)  # fmt: skip
_NAMES: Final = (
    "", ".", "..", "../../etc/passwd", "/etc/passwd", "inpaint/../refine", "inpaint/1",
    "inpaint\0", "in\npaint", "%2e%2e%2f", "a" * 100_000, "ünïcode", "inpaint ", "*", "{}", "%s%n",
    "file:///etc/passwd", "\\\\host\\share",
)  # fmt: skip
_TEXTS: Final = (
    "", "x", "auto", "true", "\0", "../../x", "9" * 400, "ü" * 3000, "\U0001f408" * 600, "%s%n",
    "a" * 200_000, "NaN", '{"a": [' * 300, "\x1b[2J", "none",
)  # fmt: skip
# What Triton itself reads off a request's or a tensor's parameters.
_TRITONS: Final = (
    "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size", "binary_data",
    "binary_data_size", "classification", "sequence_id", "sequence_start", "sequence_end",
    "priority", "timeout", "headers", "triton_enable_empty_final_response", "triton_",
    "triton_final_response", "traceparent", "waiting", "__proto__",
)  # fmt: skip
_FIELDS: Final = ("bool_param", "int64_param", "string_param", "double_param", "uint64_param")
_CONTENTS: Final = (
    "bool_contents", "int_contents", "int64_contents", "uint_contents", "uint64_contents",
    "fp32_contents", "fp64_contents", "bytes_contents",
)  # fmt: skip
# Bytes of one tensor at most: what is hostile is the form; sizes have their own tests.
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Case:
    """One message to one method.

    Attributes:
        method: of Triton's service.
        body: the message as it goes over the wire.
        model: that the request was made from; none of a method that has none.
        done: the mutations, for people.
    """

    method: str
    body: bytes
    model: str
    done: tuple[str, ...]


def request_of(model: str, profile: Profile) -> pb.ModelInferRequest:
    """Return the request that a model's probe sends."""
    request = pb.ModelInferRequest(model_name=model)
    for item in infer_inputs(model, probe_inputs(model, profile)):
        request.inputs.append(item._get_tensor())
        request.raw_input_contents.append(item._get_content())
    for name, value in MODELS[model].probe_parameters.items():
        _set(request.parameters, name, value)
    return request


def made(seed: int, number: int, good: Mapping[str, pb.ModelInferRequest]) -> Case:
    """Return the case of this number.

    Args:
        seed: of the run.
        number: from 0.
        good: requests by model.
    """
    rng = random.Random(f"{seed}:{number}")
    if rng.random() < 0.08:
        return _of_another_method(rng, list(good))
    model = rng.choice(sorted(good))
    request = pb.ModelInferRequest()
    request.CopyFrom(good[model])
    method = STREAM if MODELS[model].spec.decoupled or rng.random() < 0.1 else INFER
    # Of the half that keep the form most reach the model, of the others hardly any.
    steps = _KEEPING_FORM if rng.random() < 0.5 else _MUTATIONS
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        mutate = rng.choice(steps)
        mutate(rng, request)
        done.append(mutate.__name__.strip("_"))
    _without_overflow(request)
    body = request.SerializeToString()
    if steps is _MUTATIONS and rng.random() < 0.2:
        body = mutated(rng, [body], ())
        done.append("bytes on the wire")
    return Case(method, body, model, tuple(done))


def overflowing(good: pb.ModelInferRequest) -> pb.ModelInferRequest:
    """Return a request whose first tensor's size overflows 64 bits, and comes out as 0.

    The release that runs here, 24.10, takes it, and the model's process ends. It is of the kind of
    CVE-2025-23326 and -23327, integer overflows mended in 25.05.
    """
    request = pb.ModelInferRequest()
    request.CopyFrom(good)
    request.inputs[0].shape[:2] = [2**62, 4]
    request.raw_input_contents[0] = b""
    return request


def _without_overflow(request: pb.ModelInferRequest) -> None:
    """Take out what `overflowing` puts in, should chance have made it."""
    for tensor in request.inputs:
        if abs(math.prod(tensor.shape)) >= 2**60 and math.prod(tensor.shape) * 8 % 2**32 == 0:
            tensor.shape[:] = [65]


def _set(parameters: Any, name: str, value: bool | int | float | str) -> None:
    field = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
    setattr(parameters[name], field[type(value)], value)


def _tensor(rng: random.Random, request: pb.ModelInferRequest) -> Any:
    return rng.choice(request.inputs) if request.inputs else request.inputs.add()


def _raw(rng: random.Random, request: pb.ModelInferRequest) -> int | None:
    return rng.randrange(len(request.raw_input_contents)) if request.raw_input_contents else None


def _one_size(rng: random.Random, request: pb.ModelInferRequest) -> None:
    tensor = _tensor(rng, request)
    if tensor.shape:
        tensor.shape[rng.randrange(len(tensor.shape))] = rng.choice(_SIZES)


def _another_shape(rng: random.Random, request: pb.ModelInferRequest) -> None:
    rank = rng.choice((0, 1, 2, 3, 4, 5, 33, 1000))
    tensor = _tensor(rng, request)
    tensor.shape[:] = [rng.choice(_SIZES) for _ in range(rank)]


def _shape_turned(rng: random.Random, request: pb.ModelInferRequest) -> None:
    tensor = _tensor(rng, request)
    shape = list(tensor.shape)
    rng.shuffle(shape)
    tensor.shape[:] = shape


def _another_datatype(rng: random.Random, request: pb.ModelInferRequest) -> None:
    _tensor(rng, request).datatype = rng.choice(_DATATYPES).replace("\0", "")


def _content_cut(rng: random.Random, request: pb.ModelInferRequest) -> None:
    at = _raw(rng, request)
    if at is not None:
        content = request.raw_input_contents[at]
        request.raw_input_contents[at] = content[: rng.randrange(len(content) + 1)]


def _content_longer(rng: random.Random, request: pb.ModelInferRequest) -> None:
    at = _raw(rng, request)
    if at is not None:
        more = bytes(rng.choice((1, 3, 4, 7, 100, 65_536)))
        request.raw_input_contents[at] += more


def _content_mutated(rng: random.Random, request: pb.ModelInferRequest) -> None:
    at = _raw(rng, request)
    if at is not None:
        content = mutated(rng, [request.raw_input_contents[at]], ())
        request.raw_input_contents[at] = content[:_MOST_BYTES]


def _text_prefix(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """Give a BYTES tensor a length that is not its element's."""
    texts = [at for at, one in enumerate(request.inputs) if one.datatype == "BYTES"]
    if not texts or max(texts) >= len(request.raw_input_contents):
        return
    at = rng.choice(texts)
    length = rng.choice(INTEGERS) % 2**32
    request.raw_input_contents[at] = (
        length.to_bytes(4, "little") + request.raw_input_contents[at][4:]
    )


def _text_instead(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """Put words, or what is none, into a BYTES tensor, rightly framed."""
    texts = [at for at, one in enumerate(request.inputs) if one.datatype == "BYTES"]
    if not texts or max(texts) >= len(request.raw_input_contents):
        return
    words = rng.choice(
        (
            rng.choice(_TEXTS).encode(),
            rng.randbytes(rng.randrange(64)),
            b"\xff\xfe\xed\xa0\x80",
            b'{"masks": [{"bbox": [0, 0, 1e999, -1]}]}',
        )
    )
    request.raw_input_contents[rng.choice(texts)] = len(words).to_bytes(4, "little") + words


def _text_mutated(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """Mutate the first text of a BYTES tensor, a file among them, and frame it rightly."""
    texts = [at for at, one in enumerate(request.inputs) if one.datatype == "BYTES"]
    if not texts or max(texts) >= len(request.raw_input_contents):
        return
    at = rng.choice(texts)
    words = with_right_sums(mutated(rng, [request.raw_input_contents[at][4:]], ()))
    request.raw_input_contents[at] = len(words).to_bytes(4, "little") + words


def _many_texts(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """Have a BYTES tensor bring many elements."""
    texts = [at for at, one in enumerate(request.inputs) if one.datatype == "BYTES"]
    if not texts or max(texts) >= len(request.raw_input_contents):
        return
    at, count = rng.choice(texts), rng.choice((0, 2, 65, 10_000))
    request.inputs[at].shape[:] = [count]
    request.raw_input_contents[at] = bytes(4 * count)


def _typed_contents(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """Bring values in the message's own lists, beside or instead of the raw ones."""
    tensor, field = _tensor(rng, request), rng.choice(_CONTENTS)
    count = rng.choice((0, 1, 7, 1000))
    values: list[Any] = [b"\xff" * 3] * count if field == "bytes_contents" else [1] * count
    getattr(tensor.contents, field).extend(values)
    if rng.random() < 0.5:
        del request.raw_input_contents[:]


def _tensor_lacks(rng: random.Random, request: pb.ModelInferRequest) -> None:
    if request.inputs:
        at = rng.randrange(len(request.inputs))
        del request.inputs[at]
        if rng.random() < 0.7 and at < len(request.raw_input_contents):
            del request.raw_input_contents[at]


def _tensor_twice(rng: random.Random, request: pb.ModelInferRequest) -> None:
    at = _raw(rng, request)
    if at is not None and at < len(request.inputs):
        request.inputs.add().CopyFrom(request.inputs[at])
        if rng.random() < 0.7:
            request.raw_input_contents.append(request.raw_input_contents[at])


def _unknown_tensor(rng: random.Random, request: pb.ModelInferRequest) -> None:
    name = rng.choice(("", "NOISE", "../IMAGE", "image", "IMAGE\t", "I" * 10_000))
    request.inputs.add(name=name, datatype="UINT8", shape=[4])
    request.raw_input_contents.append(b"abcd")


def _tensors_swapped(rng: random.Random, request: pb.ModelInferRequest) -> None:
    names = [one.name for one in request.inputs]
    rng.shuffle(names)
    for tensor, name in zip(request.inputs, names, strict=True):
        tensor.name = name


def _contents_lack(rng: random.Random, request: pb.ModelInferRequest) -> None:
    if rng.random() < 0.5:
        del request.raw_input_contents[:]
    elif request.raw_input_contents:
        request.raw_input_contents.pop()


def _own_parameter(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """Give one of the model's own parameters a value of a type that Triton hands on."""
    model = MODELS.get(request.model_name)
    own = parameter_names(model) if model else []
    name = rng.choice((*own, "traceparent", "waiting", "p", ""))
    value = rng.choice((True, 0, 1, -1, 7, 64, 101, 2**31, 2**63 - 1, -(2**63), *_TEXTS))
    _set(request.parameters, name, value)


def _parameter(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """Give one of the model's own parameters, or of Triton's, a value of any type."""
    model = MODELS.get(request.model_name)
    own = parameter_names(model) if model else []
    name = rng.choice((*own, *own, *_TRITONS, "", "p" * 1000))
    _any_value(rng, request.parameters[name])


def _any_value(rng: random.Random, parameter: Any) -> None:
    field = rng.choice(_FIELDS)
    value: Any
    if field == "bool_param":
        value = rng.random() < 0.5
    elif field == "string_param":
        value = rng.choice(_TEXTS)
    elif field == "double_param":
        value = rng.choice((0.0, -0.0, 1e308, -1e308, float("nan"), float("inf"), 0.5, 5e-324))
    elif field == "uint64_param":
        value = rng.choice((0, 1, 2**63, 2**64 - 1))
    else:
        value = rng.choice((0, 1, -1, 2**31, 2**63 - 1, -(2**63), 64, 101))
    setattr(parameter, field, value)


def _many_parameters(rng: random.Random, request: pb.ModelInferRequest) -> None:
    for number in range(rng.choice((20, 2000))):
        _any_value(rng, request.parameters[f"p{number}"])


def _unset_parameter(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """A parameter without any value."""
    request.parameters[rng.choice(("seed", "engine", "timeout", "sequence_id"))].SetInParent()


def _tensor_parameter(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """What Triton reads off a tensor: where in shared memory it lies, how many classes."""
    many = rng.choice((request.inputs, request.outputs))
    tensor = rng.choice(many) if many else request.outputs.add(name="REPORT")
    for name in rng.sample(_TRITONS[:6], rng.choice((1, 2, 3))):
        _any_value(rng, tensor.parameters[name])
    if rng.random() < 0.5:
        tensor.parameters["shared_memory_region"].string_param = rng.choice(
            ("none", "", "../x", "triton_python_backend_shm_region_1")
        )
        tensor.parameters["shared_memory_byte_size"].int64_param = rng.choice((64, 2**40, -1))


def _sequence(rng: random.Random, request: pb.ModelInferRequest) -> None:
    for name in ("sequence_id", "sequence_start", "sequence_end", "priority", "timeout"):
        if rng.random() < 0.6:
            _any_value(rng, request.parameters[name])


def _outputs(rng: random.Random, request: pb.ModelInferRequest) -> None:
    names = rng.choice((("REPORT",), ("IMAGE", "IMAGE"), ("NOISE",), ("",), ("REPORT",) * 300))
    for name in names:
        request.outputs.add(name=name)


def _model(rng: random.Random, request: pb.ModelInferRequest) -> None:
    request.model_name = rng.choice((*_NAMES, *sorted(MODELS)))


def _version(rng: random.Random, request: pb.ModelInferRequest) -> None:
    request.model_version = rng.choice(("0", "1", "2", "-1", "latest", "../1", "9" * 300, "1.0"))


def _id(rng: random.Random, request: pb.ModelInferRequest) -> None:
    request.id = rng.choice(("", "i" * 1_000_000, "probe", "../id", "\x1b[2J", "id\r\nX: y"))


def _other_size(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """Give a tensor another size that its content has."""
    at = _raw(rng, request)
    if at is None or at >= len(request.inputs):
        return
    tensor = request.inputs[at]
    shape = [
        rng.choice((0, 1, 2, 63, 64, 65, 100)) if size > 4 or place == 0 else size
        for place, size in enumerate(tensor.shape)
    ]
    width = {"FP32": 4, "INT32": 4, "INT64": 8, "FP16": 2, "BYTES": 4}.get(tensor.datatype, 1)
    tensor.shape[:] = shape
    request.raw_input_contents[at] = rng.choice((b"\0", b"\xff", b"\x80")) * (
        math.prod(shape) * width if tensor.datatype != "BYTES" else 0
    )
    if tensor.datatype == "BYTES":
        request.raw_input_contents[at] = bytes(4 * math.prod(shape))


def _other_values(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """Put other numbers into a tensor: NaN, infinity, the ends of its type."""
    numbers = {"FP32": 4, "FP16": 2, "INT32": 4, "INT64": 8}
    found = [at for at, one in enumerate(request.inputs) if one.datatype in numbers]
    if not found or max(found) >= len(request.raw_input_contents):
        return
    at = rng.choice(found)
    width = numbers[request.inputs[at].datatype]
    value = rng.choice(
        (
            b"\xff" * width,
            bytes(width),
            bytes(width - 2) + b"\xc0\x7f",
            b"\0" * (width - 1) + b"\x80",
            bytes(width - 2) + b"\x80\x7f",
        )
    )
    request.raw_input_contents[at] = value * (len(request.raw_input_contents[at]) // width)


def _optional_tensor(rng: random.Random, request: pb.ModelInferRequest) -> None:
    """Bring an input that the probe does without, of any size."""
    model = MODELS.get(request.model_name)
    there = {one.name for one in request.inputs}
    lacking = [one for one in model.spec.inputs if one.name not in there] if model else []
    if not lacking:
        return
    spec = rng.choice(lacking)
    shape = [rng.choice((0, 1, 2, 64, 65)) if size < 0 else size for size in spec.shape]
    if spec.datatype == "BYTES":
        words = rng.choice((b"", b"\xff\xfe", b"grass", b"{}", b"[" * 3000, b"x" * 3000))
        content = (len(words).to_bytes(4, "little") + words) * math.prod(shape)
    else:
        width = {"FP32": 4, "INT32": 4, "INT64": 8, "FP16": 2}.get(spec.datatype, 1)
        content = rng.choice((b"\0", b"\xff", b"\x7f")) * (math.prod(shape) * width)
    request.inputs.add(name=spec.name, datatype=spec.datatype, shape=shape)
    request.raw_input_contents.append(content)


_KEEPING_FORM: Final[Sequence[Callable[[random.Random, pb.ModelInferRequest], None]]] = (
    _own_parameter, _own_parameter, _text_instead, _text_instead, _text_mutated, _text_mutated,
    _other_size, _other_values, _optional_tensor, _optional_tensor, _tensors_swapped, _shape_turned,
)  # fmt: skip
_MUTATIONS: Final[Sequence[Callable[[random.Random, pb.ModelInferRequest], None]]] = (
    _one_size, _one_size, _another_shape, _shape_turned, _another_datatype, _content_cut,
    _content_longer, _content_mutated, _text_prefix, _text_prefix, _text_instead, _text_instead,
    _many_texts, _typed_contents, _tensor_lacks, _tensor_twice, _unknown_tensor, _tensors_swapped,
    _contents_lack, _parameter, _parameter, _many_parameters, _unset_parameter, _tensor_parameter,
    _sequence, _outputs, _model, _version, _id,
)  # fmt: skip


def _of_another_method(rng: random.Random, models: Sequence[str]) -> Case:
    """Return a request of what administers the server."""
    method = rng.choice(sorted(_ADMINISTERING))
    message = _ADMINISTERING[method](rng, rng.choice((*models, *_NAMES)))
    body = message.SerializeToString()
    if rng.random() < 0.3:
        body = mutated(rng, [body or b"\x0a\x01x"], ())
    return Case(method, body, "", (method,))


def _register(rng: random.Random, name: str) -> Any:
    return pb.SystemSharedMemoryRegisterRequest(
        name=name[:5000],
        key=rng.choice(("", "/none", "../../etc/passwd", "/" + "k" * 300)),
        offset=rng.choice((0, 1, 2**63, 2**64 - 1)),
        byte_size=rng.choice((0, 64, 2**40, 2**64 - 1)),
    )


def _register_on_card(rng: random.Random, name: str) -> Any:
    return pb.CudaSharedMemoryRegisterRequest(
        name=name[:5000],
        raw_handle=rng.randbytes(rng.choice((0, 3, 64, 1000))),
        device_id=rng.choice((0, -1, 2**62)),
        byte_size=rng.choice((0, 64, 2**63)),
    )


def _load(rng: random.Random, name: str) -> Any:
    request = pb.RepositoryModelLoadRequest(model_name=name[:5000])
    request.parameters["config"].string_param = rng.choice(_TEXTS)
    request.parameters["file:../../1/model.py"].bytes_param = b"import os"
    return request


# The settings that these name are none, or as they are: a run leaves the server as it was.
def _trace(rng: random.Random, name: str) -> Any:
    request = pb.TraceSettingRequest(model_name=name[:5000])
    setting = rng.choice(("trace_levl", "log_frequency", "trace_count"))
    request.settings[setting].value.append(rng.choice(("x", "-5", "9" * 99, "")))
    return request


def _log(rng: random.Random, name: str) -> Any:
    del name
    request = pb.LogSettingsRequest()
    parameter = request.settings[rng.choice(("log_eror", "log_format", "log_verbose_level"))]
    if rng.random() < 0.5:
        parameter.string_param = rng.choice(_TEXTS)
    else:
        parameter.bool_param = True
    return request


_ADMINISTERING: Final[Mapping[str, Callable[[random.Random, str], Any]]] = {
    "CudaSharedMemoryRegister": _register_on_card,
    "CudaSharedMemoryStatus": lambda _, name: pb.CudaSharedMemoryStatusRequest(name=name),
    "CudaSharedMemoryUnregister": lambda _, name: pb.CudaSharedMemoryUnregisterRequest(name=name),
    "LogSettings": _log,
    "ModelConfig": lambda _, name: pb.ModelConfigRequest(name=name, version="9" * 30),
    "ModelMetadata": lambda _, name: pb.ModelMetadataRequest(name=name),
    "ModelReady": lambda _, name: pb.ModelReadyRequest(name=name, version="x"),
    "ModelStatistics": lambda _, name: pb.ModelStatisticsRequest(name=name),
    "RepositoryIndex": lambda _, name: pb.RepositoryIndexRequest(repository_name=name),
    "RepositoryModelLoad": _load,
    "RepositoryModelUnload": lambda _, name: pb.RepositoryModelUnloadRequest(model_name=name),
    "SystemSharedMemoryRegister": _register,
    "SystemSharedMemoryStatus": lambda _, name: pb.SystemSharedMemoryStatusRequest(name=name),
    "SystemSharedMemoryUnregister": lambda _, name: pb.SystemSharedMemoryUnregisterRequest(
        name=name
    ),
    "TraceSetting": _trace,
}
