"""From every failure of a call to a PawfectError."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import grpc

from pawfect.contract.errors import ErrorKind, PawfectError, from_message, without_paths

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


class AbsentError(PawfectError):
    """A Triton server, by its status NOT_FOUND, does not have the model that was called."""


@contextmanager
def absent_said(model: str, expected: str) -> Iterator[None]:
    """Have the block's failure say what a server lacks that does not know a model."""
    try:
        yield
    except AbsentError:
        problem = f"{model}: expected {expected}, got one without it"
        raise PawfectError(ErrorKind.UNAVAILABLE, problem) from None


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
    kind = AbsentError if code is grpc.StatusCode.NOT_FOUND else PawfectError
    return kind(mapped.kind, f"{server}: {mapped.message}")


def failure_in_stream(message: str) -> PawfectError:
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
