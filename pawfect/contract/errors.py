"""The one table of errors: how Triton, HTTP, a queue and the command line treat each kind.

A child's error reaches the parent of a BLS call as INTERNAL whatever it was, and its message
survives, so every message starts with the token of its kind and `from_message` maps it back.

    PawfectError          one exception type; `kind` names the row of TABLE
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


class ErrorKind(enum.Enum):
    """The kinds of failure; the value is the token that starts a message."""

    INVALID_ARG = "PAWFECT_INVALID_ARG"
    UNAVAILABLE = "PAWFECT_UNAVAILABLE"
    QUEUE_FULL = "PAWFECT_QUEUE_FULL"
    MODEL_DOWN = "PAWFECT_MODEL_DOWN"
    OUT_OF_MEMORY = "PAWFECT_OUT_OF_MEMORY"
    DEADLINE = "PAWFECT_DEADLINE"
    CANCELLED = "PAWFECT_CANCELLED"
    INTERNAL = "PAWFECT_INTERNAL"


class QueueAction(enum.Enum):
    """What a queue worker does with the message whose job failed."""

    ACK = "ack"
    NACK = "nack"
    FAIL = "ack and mark failed"


@dataclass(frozen=True)
class ErrorRow:
    """One row of the table.

    Attributes:
        triton_code: name of the constant in Triton's `TritonError`.
        http_status: status for an HTTP front end.
        queue_action: what a queue worker does with the message.
        retry: whether the same call may succeed a moment later, so that a client may send it again.
        exit_code: exit code of the command line (the codes of BSD's sysexits.h where one fits).
        meaning: one sentence for documents and terminals.
    """

    triton_code: str
    http_status: int
    queue_action: QueueAction
    retry: bool
    exit_code: int
    meaning: str


TABLE = MappingProxyType(
    {
        ErrorKind.INVALID_ARG: ErrorRow(
            "INVALID_ARG", 400, QueueAction.FAIL, False, 65, "the request itself is wrong"
        ),
        ErrorKind.UNAVAILABLE: ErrorRow(
            "UNAVAILABLE",
            503,
            QueueAction.NACK,
            True,
            69,
            "the server, or the engine asked for, is not there now",
        ),
        ErrorKind.QUEUE_FULL: ErrorRow(
            "UNAVAILABLE", 429, QueueAction.NACK, True, 75, "too many requests are waiting"
        ),
        ErrorKind.MODEL_DOWN: ErrorRow(
            "UNAVAILABLE",
            503,
            QueueAction.NACK,
            True,
            75,
            "a model's process died and is restarted",
        ),
        ErrorKind.OUT_OF_MEMORY: ErrorRow(
            "UNAVAILABLE", 503, QueueAction.NACK, True, 71, "a model's device is out of memory"
        ),
        ErrorKind.DEADLINE: ErrorRow(
            "UNAVAILABLE", 504, QueueAction.NACK, False, 74, "no answer within the deadline"
        ),
        # A queue's job whose session is cancelled is acknowledged by its document. Where only the
        # request was, by a server or a worker that ends, the job is not.
        ErrorKind.CANCELLED: ErrorRow(
            "CANCELLED", 499, QueueAction.NACK, False, 130, "the caller cancelled the request"
        ),
        ErrorKind.INTERNAL: ErrorRow(
            "INTERNAL", 500, QueueAction.NACK, False, 70, "a defect of the service"
        ),
    }
)

# Longest message, letters: the longest of ours lists all models; a longer one quotes a caller.
MAX_MESSAGE: Final = 4_000

# What Triton itself says, without our token, read off the running server 2.51.
_TRITON_PHRASES = (
    (re.compile(r"Stub process .*(not healthy|died)", re.I | re.S), ErrorKind.MODEL_DOWN),
    (re.compile(r"Exceeds maximum queue size|Request timeout expired", re.I), ErrorKind.QUEUE_FULL),
    (
        re.compile(r"no available versions|is not ready|server not ready|not found", re.I),
        ErrorKind.UNAVAILABLE,
    ),
    # gRPC's own words when a server ends or is not there.
    (
        re.compile(
            r"Socket closed|Stream removed|Connection re(fused|set)|failed to connect", re.I
        ),
        ErrorKind.UNAVAILABLE,
    ),
)
# As torch's allocators and CUDA's libraries put it where the class does not say so.
_OUT_OF_MEMORY = re.compile(
    "out of memory|alloc_failed|not enough memory|can't allocate memory", re.IGNORECASE
)
# Letters of what came that a message repeats: it goes back to the caller and into logs.
_MOST_TOLD = 1000
_TOKEN = re.compile("|".join(rf"\b{kind.value}\b" for kind in ErrorKind))
_PATH = re.compile(r"(?<![\w:/])/(?:[\w.+-]+/)+[\w.+-]*")


class PawfectError(Exception):
    """A failure of one request, of a kind in TABLE.

    Args:
        kind: the row of the table.
        message: what was expected and what came; without token, path or traceback. Halves of
            letters, which UTF-8 cannot carry, become "?"; what is beyond 4,000 letters goes.
    """

    def __init__(self, kind: ErrorKind, message: str) -> None:
        message = _carried(message)
        super().__init__(message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.message}"

    def __reduce__(self) -> tuple[type[PawfectError], tuple[ErrorKind, str]]:
        return type(self), (self.kind, self.message)

    @property
    def row(self) -> ErrorRow:
        """The table's row for this error."""
        return TABLE[self.kind]


def _carried(message: str) -> str:
    """Return a message as every answer, log and report can carry it: it quotes what came."""
    if len(message) > MAX_MESSAGE:
        message = f"{message[:MAX_MESSAGE]}..."
    return message.encode("utf-8", "replace").decode()


def invalid(what: str, expected: str, got: object) -> PawfectError:
    """Return the INVALID_ARG error of one input: its name, what was expected, what came.

    Of what came it has one printable line, cut where it is long.
    """
    return PawfectError(
        ErrorKind.INVALID_ARG, f"{what}: expected {expected}, got {one_line(str(got))}"
    )


def printable(text: str) -> str:
    r"""Return a text on one line: what does not print, such as a newline in a name, as `\n`."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def one_line(text: str) -> str:
    """Return what came, for a message: printable, cut after 1000 letters."""
    return printable(text if len(text) <= _MOST_TOLD else f"{text[:_MOST_TOLD]}...")


def from_message(message: str, default: ErrorKind = ErrorKind.INTERNAL) -> PawfectError:
    """Map a message that crossed Triton back to its error.

    Args:
        message: the text as it arrived; Triton may have put words of its own before the token.
        default: the kind where neither a token nor a phrase of Triton's is recognised.

    Returns:
        The error, its message cut to what stands behind the token and freed of paths.
    """
    token = _TOKEN.search(message)
    if token:
        return PawfectError(ErrorKind(token.group()), message[token.end() :].lstrip(": ").strip())
    for phrase, kind in _TRITON_PHRASES:
        if phrase.search(message):
            return PawfectError(kind, without_paths(message))
    return PawfectError(default, without_paths(message))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that the device's or the host's memory is short."""
    # torch's own class, by name: the embedded profile has no torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(str(error)))


def from_exception(error: Exception, model: str) -> PawfectError:
    """Return what a model's failure means to its callers; no word of the exception's own.

    Args:
        error: as the model raised it.
        model: its name.

    Returns:
        The error itself where it is a PawfectError; OUT_OF_MEMORY for want of it; else INTERNAL.
    """
    if isinstance(error, PawfectError):
        return error
    if is_out_of_memory(error):
        return PawfectError(ErrorKind.OUT_OF_MEMORY, f"{model}: out of memory")
    return PawfectError(ErrorKind.INTERNAL, f"{model}: {type(error).__name__}")


def without_paths(message: str) -> str:
    """Return the first line of a message with file paths replaced by their last part."""
    first = message.strip().split("\n", 1)[0]
    return _PATH.sub(lambda match: match.group().rstrip("/").rsplit("/", 1)[-1], first)
