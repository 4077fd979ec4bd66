"""Sends malformed requests to a running Triton, and holds what must be true of its answers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import grpc
import psutil
from tritonclient.grpc import service_pb2 as pb

from harness.fuzz.grpc_requests import INFER, STREAM, Case, made, request_of
from harness.fuzz.leaks import leak
from harness.resident import resident
from pawfect.contract.errors import ErrorKind
from pawfect.models import MODELS
from pawfect.profile import Profile

_SERVICE: Final = "/inference.GRPCInferenceService/"
# Calls in flight: several connections' worth, and orchestrators work at several at a time.
AT_ONCE: Final = 8
# A probe takes milliseconds; a search that a mutation made longer is not waited for, s.
PATIENCE_S: Final = 20.0
# What a refusal may be called. UNKNOWN and DATA_LOSS would be faults that nobody foresaw.
_REFUSALS: Final = frozenset(
    {
        "OK", "INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE", "UNIMPLEMENTED", "INTERNAL",
        "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED", "ALREADY_EXISTS", "OUT_OF_RANGE",
    }
)  # fmt: skip


@dataclass
class Outcome:
    """What came of some cases.

    Attributes:
        sent: how many.
        seconds: that they took together.
        codes: answers by status.
        faults: what must not be: the case's number, what was done to it, and what came.
        slow: cases that were not waited for to their end.
    """

    sent: int = 0
    seconds: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)


def send(
    address: str, profile: Profile, models: list[str], numbers: range, seed: int = 0
) -> Outcome:
    """Send the cases of these numbers, and return what came of them.

    Args:
        address: HOST:PORT of the server's gRPC.
        profile: that it runs.
        models: whose requests are mutated.
        numbers: of the cases.
        seed: of the run.
    """
    good = {model: request_of(model, profile) for model in models}
    outcome, lock = Outcome(), threading.Lock()
    began = time.monotonic()
    # A channel each: one that a bad frame closed costs the others nothing.
    channels = [_channel(address) for _ in range(AT_ONCE)]

    def work(lane: int) -> None:
        for number in numbers[lane::AT_ONCE]:
            case = made(seed, number, good)
            code, told = _answer(channels[lane], case)
            with lock:
                _note(outcome, number, case, code, told)

    try:
        with ThreadPoolExecutor(AT_ONCE) as lanes:
            for done in [lanes.submit(work, lane) for lane in range(AT_ONCE)]:
                done.result()
    finally:
        for channel in channels:
            channel.close()
    outcome.seconds = time.monotonic() - began
    return outcome


def _note(outcome: Outcome, number: int, case: Case, code: str, told: str) -> None:
    outcome.sent += 1
    outcome.codes[code] += 1
    what = f"case {number} of {case.method} {case.model} ({', '.join(case.done)}): {code}"
    if code == "DEADLINE_EXCEEDED":
        outcome.slow.append(what)
    problem = leak(told, case.body.decode("latin-1"))
    if code not in _REFUSALS or ErrorKind.INTERNAL.value in told:
        problem = told[:300]
    if problem:
        outcome.faults.append(f"{what}: {problem}")


def _channel(address: str) -> grpc.Channel:
    # A connection of its own, and no pause before it is made anew.
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", 20),
        ("grpc.max_reconnect_backoff_ms", 200),
    ]
    return grpc.insecure_channel(address, options=options)


def _answer(channel: grpc.Channel, case: Case) -> tuple[str, str]:
    """Return the status of an answer, and all its words."""
    try:
        if case.method == STREAM:
            call = channel.stream_stream(_SERVICE + STREAM)
            messages = list(call(iter([case.body]), timeout=PATIENCE_S))
            return _streamed(messages)
        body = channel.unary_unary(_SERVICE + case.method)(case.body, timeout=PATIENCE_S)
    except grpc.RpcError as error:
        return error.code().name, str(error.details())
    return "OK", body.decode("latin-1")


def _streamed(messages: list[bytes]) -> tuple[str, str]:
    """Return the status of a stream: a refusal is a message of it."""
    told = [pb.ModelStreamInferResponse.FromString(one) for one in messages]
    words = "\n".join(one.error_message or _words(one.infer_response) for one in told)
    return ("INVALID_ARGUMENT" if any(one.error_message for one in told) else "OK"), words


def _words(answer: pb.ModelInferResponse) -> str:
    """Return the texts of an answer: its BYTES tensors."""
    pairs = zip(answer.outputs, answer.raw_output_contents, strict=False)
    return "\n".join(
        raw.decode("utf-8", "replace") for one, raw in pairs if one.datatype == "BYTES"
    )


def good_answers(address: str, profile: Profile, models: list[str]) -> dict[str, tuple[bytes, ...]]:
    """Return what models answer to their good requests: the bits of the tensors that are no text.

    Args:
        address: HOST:PORT of the server's gRPC.
        profile: that it runs.
        models: which.

    Raises:
        grpc.RpcError: one does not answer.
    """
    found: dict[str, tuple[bytes, ...]] = {}
    with _channel(address) as channel:
        for model in models:
            body = request_of(model, profile).SerializeToString()
            if MODELS[model].spec.decoupled:
                call = channel.stream_stream(_SERVICE + STREAM)
                messages = list(call(iter([body]), timeout=PATIENCE_S))
                answer = pb.ModelStreamInferResponse.FromString(messages[-1]).infer_response
            else:
                ask = channel.unary_unary(_SERVICE + INFER)
                answer = pb.ModelInferResponse.FromString(ask(body, timeout=PATIENCE_S))
            pairs = zip(answer.outputs, answer.raw_output_contents, strict=True)
            found[model] = tuple(raw for one, raw in pairs if one.datatype != "BYTES")
    return found


def memory(server: psutil.Process) -> dict[str, int]:
    """Return the resident memory of Triton and of each of its models' processes, bytes by name.

    Triton's response cache is left out.

    Args:
        server: `pawfect serve`, or Triton itself.
    """
    found = {}
    for process in [server, *server.children(recursive=True)]:
        line = process.cmdline()
        model = next((part.split("/")[-3] for part in line if part.endswith("/model.py")), None)
        name = model or process.name()
        if model or "tritonserver" in process.name():
            found[f"{name} {process.pid}"] = resident(process)
    return found


def growth(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return by how many bytes each process grew; a process that is new, or gone, is an error.

    Raises:
        AssertionError: other processes than before.
    """
    if set(before) != set(after):
        raise AssertionError(f"expected the same processes, got {sorted(set(before) ^ set(after))}")
    return {name: after[name] - before[name] for name in before}
