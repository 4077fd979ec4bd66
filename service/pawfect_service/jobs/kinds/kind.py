"""What a kind of job is, and what a job of it was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import Scalar
from pawfect_client.client import AsyncPawfectClient
from pawfect_service.jobs.fields import SceneLabels

T = TypeVar("T")
# The field of a request that says which files it was queued with.
_DIGEST: Final = "digest"
# And the one that says how they were read.
_NOTE: Final = "note"
# And the one that says which variant chose what the request left open.
_VARIANT: Final = "variant"
# Is told how far a job is: the stage that ended, and the share that is done.
OnProgress = Callable[[str, float], None]


class OffLoop(Protocol):
    """Runs CPU work in a thread."""

    def __call__(self, work: Callable[..., T], /, *args: Any) -> Awaitable[T]:
        """Return what `work(*args)` gives."""


@dataclass(frozen=True)
class Tools:
    """What the work of a job may use.

    Attributes:
        triton: the server's client.
        labeller: likewise, for labels: no retries, since what is late helps nobody and the server
            labels for itself where none are given.
        off_loop: threads for decoding and encoding: Pillow lets go of the interpreter meanwhile.
    """

    triton: AsyncPawfectClient
    labeller: AsyncPawfectClient
    off_loop: OffLoop


@dataclass(frozen=True)
class Task:
    """One job's work, as its kind gets it.

    Attributes:
        files: content of each input that there is, by name.
        parameters: what the kind's `parse` made of the request.
        labels: of the surroundings, where there are any.
        span_attributes: of spans that belong to the job.
    """

    files: Mapping[str, bytes]
    parameters: Any
    labels: SceneLabels | None
    span_attributes: Mapping[str, str]


@dataclass(frozen=True)
class Made:
    """What the work of a job gave.

    Attributes:
        outputs: content of each output by name.
        report: how it came about, JSON text.
        seconds: of the service that it took.
    """

    outputs: Mapping[str, bytes]
    report: str
    seconds: float


@dataclass(frozen=True)
class Accepted:
    """A request's files, checked.

    Attributes:
        files: content as it is stored, by the input's name.
        note: how they were read, for people, where that had to be found out.
    """

    files: Mapping[str, bytes]
    note: str | None = None


class Kind(Protocol):
    """A kind of job.

    Attributes:
        name: in the document.
        fields: file fields of a request, and whether each has to be there.
        texts: text fields of a request besides `parameters`.
        inputs: the session's files that each job has, by name.
        optional: those that a job may have too; its request says which by `name: true`.
        outputs: the files that it makes, by name, in the order in which they are published.
        labelled: whether it waits for labels of the surroundings.
        varied: the parameters that a variant may choose; none where there are no variants.
    """

    name: str
    fields: Mapping[str, bool]
    texts: tuple[str, ...]
    inputs: Mapping[str, str]
    optional: Mapping[str, str]
    outputs: Mapping[str, str]
    labelled: bool
    varied: tuple[str, ...]

    def parse(self, parameters: Mapping[str, Scalar], texts: Mapping[str, str]) -> Any:
        """Return the kind's own dataclass of a request's parameters and texts.

        Raises:
            PawfectError: INVALID_ARG for one that is unknown, of another type or out of bounds.
        """

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> dict[str, Scalar]:
        """Return a new request's parameters as they are stored.

        Args:
            parameters: as the client gave them.
            longest_s: how long the work may take.

        Raises:
            PawfectError: INVALID_ARG as `parse` does, and for work that may take longer.
        """

    def check(
        self,
        files: Mapping[str, bytes],
        parameters: Mapping[str, Scalar],
        texts: Mapping[str, str],
        *,
        headers_only: bool,
    ) -> Accepted:
        """Return a request's files as they are stored; CPU work.

        Args:
            files: content by field.
            parameters: as `checked` gave them.
            texts: by field.
            headers_only: what takes long is left to the worker.

        Raises:
            PawfectError: INVALID_ARG for what is wrong with them.
        """

    async def find_labels(self, files: Mapping[str, bytes], tools: Tools) -> SceneLabels:
        """Return labels of the surroundings; PawfectError as the server failed."""

    async def work(self, task: Task, tools: Tools, on_progress: OnProgress) -> Made:
        """Do a job; cancelling the task stops it.

        Raises:
            PawfectError: INVALID_ARG for files that are broken; else as the server failed.
        """


class Timed(Protocol):
    """Parsed parameters that say by when the answer is to be there."""

    @property
    def deadline_ms(self) -> int:
        """Milliseconds from the request's arrival to its answer."""


def checked_in_time(parsed: Timed, given: Mapping[str, Any], longest_s: float) -> dict[str, Scalar]:
    """Return the parsed values of the parameters that were given, but for the server's choices.

    Args:
        parsed: all parameters.
        given: as the client gave them.
        longest_s: how long the work may take.

    Raises:
        PawfectError: INVALID_ARG for a later deadline.
    """
    longest_ms = int(longest_s * 1000)
    if parsed.deadline_ms > longest_ms:
        raise invalid("deadline_ms", f"from 1 to {longest_ms}", parsed.deadline_ms)
    read = {name: getattr(parsed, name) for name in given}
    return {name: value for name, value in read.items() if value is not None}


@dataclass(frozen=True)
class JobRequest:
    """Parameters, and which files belong to them.

    Attributes:
        parameters: scalars of the kind's that were given.
        texts: those that were given, by name.
        optional: names of the kind's optional inputs that there are.
        digest: of the files, as `digest_of` gives it; None: not known.
        note: how the files were read, where that had to be found out.
        variant: which variant chose what the client left open; None: none was asked.
    """

    parameters: Mapping[str, Scalar]
    texts: Mapping[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    digest: str | None = None
    note: str | None = None
    variant: str | None = None

    def to_document(self) -> dict[str, Scalar]:
        """Return the document's `request`."""
        own = {_DIGEST: self.digest, _NOTE: self.note, _VARIANT: self.variant}
        known = {name: text for name, text in own.items() if text is not None}
        there = dict.fromkeys(self.optional, True)
        return {**self.parameters, **self.texts, **there, **known}

    @classmethod
    def of_document(cls, kind: Kind, fields: Mapping[str, Scalar]) -> JobRequest:
        """Return what a document's `request` says.

        Raises:
            PawfectError: INVALID_ARG for a parameter that is unknown, of another type or out of
                bounds: the document was edited by hand.
        """
        parameters = dict(fields)
        texts: dict[str, str] = {}
        for name in (*kind.texts, _DIGEST, _NOTE, _VARIANT):
            text = parameters.pop(name, None)
            if isinstance(text, str):
                texts[name] = text
            elif text is not None:
                raise invalid(f"request.{name}", "a text", type(text).__name__)
        digest, note, variant = (texts.pop(name, None) for name in (_DIGEST, _NOTE, _VARIANT))
        # A text is the parameter of that name, such as protect=none.
        own = [name for name in kind.optional if not isinstance(parameters.get(name), str)]
        there = {name: parameters.pop(name, False) for name in own}
        for name, given in there.items():
            if not isinstance(given, bool):
                raise invalid(f"request.{name}", "true or false", type(given).__name__)
        kind.parse(parameters, texts)
        optional = tuple(name for name, given in there.items() if given)
        return cls(parameters, texts, optional, digest, note, variant)

    def files(self, kind: Kind) -> dict[str, str]:
        """Return the names of the session's files that are the job's inputs, by input."""
        return {**kind.inputs, **{name: kind.optional[name] for name in self.optional}}


def variant_of(document: Mapping[str, Any]) -> str | None:
    """Return which variant a stored document's job is of; None where it says none."""
    request = document.get("request")
    variant = request.get(_VARIANT) if isinstance(request, Mapping) else None
    return variant if isinstance(variant, str) else None


def digest_of(kind: Kind, files: Mapping[str, bytes]) -> str:
    """Return what tells the inputs of one job from those of another: SHA-256, hexadecimal."""
    whole = hashlib.sha256()
    for name in (*kind.inputs, *kind.optional):
        whole.update(hashlib.sha256(files.get(name, b"")).digest())
    return whole.hexdigest()
