"""What a kind of job is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import Scalar
from pawfect_client.client import AsyncPawfectClient
from pawfect_service.jobs.fields import SceneLabels
from pawfect_service.jobs.live import LiveCandidate, LiveSheet

T = TypeVar("T")


class OnProgress(Protocol):
    """Is told how far a job is; what it is told is written at most twice a second."""

    def __call__(self, stage: str, share: float) -> None:
        """Take the stage that ended, and the share of the job that is done, 0 to 1."""

    def line(self, text: str) -> None:
        """Take a line of the job's log."""

    def preview(self, picture: bytes) -> None:
        """Take what is made so far, a small JPEG; it replaces the one before."""

    def candidate(self, found: LiveCandidate, sheet: LiveSheet) -> None:
        """Take a candidate of a search; the previews are `sheet`."""


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
        picture: the input or output that is the picture of a run's version; None: it has none.
        signed: whether its request and the log say who asked: the parameter `caller`, which no
            request brings by itself.
    """

    name: str
    fields: Mapping[str, bool]
    texts: tuple[str, ...]
    inputs: Mapping[str, str]
    optional: Mapping[str, str]
    outputs: Mapping[str, str]
    labelled: bool
    varied: tuple[str, ...]
    picture: str | None
    signed: bool

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
            files: content by field; `base` in place of `photo` where another version of the run
                has the picture, which then stays as it is.
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
