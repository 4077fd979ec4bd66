"""A session's document: its fields, strictly read.

    from_document(...)   a store's document to a SessionDocument; an impossible one is an error
    to_document(...)     and back

Fields that are not ours are kept as they are: a product has its own in the same document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from pawfect.contract.errors import invalid
from pawfect_service.jobs.base import BASE_INPUT, Base
from pawfect_service.jobs.contract import Document, Status
from pawfect_service.jobs.fields import (
    MOST_COMPARISONS,
    Comparison,
    Cost,
    Counts,
    Failure,
    Feedback,
    Identity,
    Lease,
    Part,
    Paths,
    Progress,
    Result,
    SceneLabels,
    SceneLabelsError,
    Seconds,
)
from pawfect_service.jobs.kinds import INPAINT, KINDS, Kind
from pawfect_service.jobs.kinds.request import base_of
from pawfect_service.jobs.live import Live
from pawfect_service.jobs.paths import attempt_path, session_path
from pawfect_service.strict import SHOWN, refused

# Characters of a REPORT; a document has room for 1 MiB in all.
MAX_REPORT: Final = 500_000


class SessionDocument(Part):
    """A session and its present job. Times are the store's clock, s since the epoch.

    Attributes:
        processing_status: where the job stands.
        job_kind: which of KINDS the job is of; a document without one is an inpainting.
        job: the id of this enqueuing; a session that is queued again gets a new one.
        created_at: when the session was queued first.
        updated_at: when this document was last written.
        queued_at: when this job was queued.
        label_deadline: labels are not waited for after this.
        job_deadline: nothing starts after this.
        expires_at: a job without an end is given up then; None once it has one.
        counts: what it has used up of its bounds.
        lease: who works on it.
        request: the parameters and texts, as the API has checked them.
        repeated: whether another request was given this job too while it was pending.
        scene_labels: labels of the surroundings, once there are any.
        scene_labels_error: why there are none.
        progress: how far the job is; all done once it is completed, none if it ended otherwise.
        result: the claimed result.
        report: its REPORT, as JSON text: Firestore holds no list in a list.
        paths: the session's files by the names that the kind gives its inputs and outputs.
        cost: what it cost, written with the claim.
        error: why it failed.
        job_feedback: what the job's owner thinks of its result, once that was said.
        job_comparisons: which of two candidates the job's owner takes for the better one.
        live: what of a run's job is told while it goes on; None: no run's.
        run_begins: whether it is the first job of a run: by these a user's runs are listed.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    processing_status: Annotated[Status, Field(strict=False)]
    job_kind: Identity = INPAINT.name
    job: Identity
    created_at: Seconds
    updated_at: Seconds
    queued_at: Seconds
    label_deadline: Seconds
    job_deadline: Seconds
    expires_at: Seconds | None
    counts: Counts = Counts()
    lease: Lease | None = None
    request: Mapping[str, bool | int | float | str]
    repeated: bool = False
    scene_labels: SceneLabels | None = None
    scene_labels_error: SceneLabelsError | None = None
    progress: Progress | None = None
    result: Result | None = None
    report: Annotated[str, Field(max_length=MAX_REPORT)] | None = None
    paths: Paths
    cost: Cost | None = None
    error: Failure | None = None
    job_feedback: Feedback | None = None
    job_comparisons: Annotated[
        tuple[Comparison, ...], Field(strict=False, max_length=MOST_COMPARISONS)
    ] = ()
    live: Live | None = None
    run_begins: bool = False

    @property
    def kind(self) -> Kind:
        """What the job is of."""
        return KINDS[self.job_kind]

    @property
    def final(self) -> bool:
        """Whether nothing more happens to this job."""
        return self.processing_status.final

    @property
    def live_anew(self) -> Live | None:
        """`live` at a new start: what the last one had made so far is gone."""
        return self.live and self.live.anew()

    @field_validator("job_kind")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in KINDS:
            raise ValueError(f"one of {', '.join(KINDS)}")
        return name

    @model_validator(mode="after")
    def _possible(self) -> SessionDocument:
        status = self.processing_status
        claim = (self.result, self.report, self.cost)
        published = [self.paths.get(name) for name in self.kind.outputs]
        for expected, holds in (
            ("result, report and cost together", len({part is None for part in claim}) == 1),
            (
                f"{' and '.join(self.kind.outputs)} together",
                len({path is None for path in published}) == 1,
            ),
            (
                "published files with a completed job alone",
                (status is Status.COMPLETED) == all(published),
            ),
            ("a result with a completed job", status is not Status.COMPLETED or bool(self.result)),
            ("an error with a failed job alone", (status is Status.FAILED) == bool(self.error)),
            ("a lease with a processing job alone", status is Status.PROCESSING or not self.lease),
            (
                "a lease or a result with a processing job",
                status is not Status.PROCESSING or bool(self.lease or self.result),
            ),
            (
                "no result with a pending or cancelled job",
                status not in (Status.PENDING, Status.CANCELLED) or not self.result,
            ),
            ("a time of expiry until the job is over", self.final == (self.expires_at is None)),
            (
                "deadlines after the queueing",
                self.queued_at <= min(self.label_deadline, self.job_deadline),
            ),
            (
                "feedback to a completed job alone",
                status is Status.COMPLETED or not self.job_feedback,
            ),
            (
                "comparisons of a completed job alone",
                status is Status.COMPLETED or not self.job_comparisons,
            ),
            (
                "a result of one of the starts",
                not self.result or 1 <= self.result.start <= self.counts.starts,
            ),
        ):
            if not holds:
                raise ValueError(expected)
        return self


def to_document(session: SessionDocument) -> Document:
    """Return the document of a session: camelCase, nothing but what JSON and Firestore know."""
    document = session.model_dump(by_alias=True)
    document["processingStatus"] = session.processing_status.value
    if session.kind is INPAINT:
        # As it was before there were other kinds.
        del document["jobKind"]
    document["jobComparisons"] = list(document["jobComparisons"])
    for name in ("jobFeedback", "live", "runBegins", "jobComparisons"):
        if not document[name]:
            del document[name]
    if live := document.get("live"):
        live["lines"] = list(live["lines"])
        live["candidates"] = list(live["candidates"])
        # As it was before there were searches.
        for name in ("candidates", "sheet"):
            if not live[name]:
                del live[name]
    if labels := document["sceneLabels"]:
        labels |= {name: list(value) for name, value in labels.items() if isinstance(value, tuple)}
    return document


def foreign_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a document that are not ours."""
    ours = set(SessionDocument.model_fields)
    ours |= {field.alias or "" for field in SessionDocument.model_fields.values()}
    return {name: value for name, value in document.items() if name not in ours}


def from_document(uid: str, sid: str, document: Document) -> SessionDocument:
    """Return the session of a store's document.

    Raises:
        PawfectError: INVALID_ARG for a field that is missing, of another type or out of bounds, for
            fields that contradict each other, and for a file outside the session's own.
    """
    try:
        session = SessionDocument.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        raise refused(error, "document") from None
    _check_files(uid, sid, session)
    return session


def _check_files(uid: str, sid: str, session: SessionDocument) -> None:
    """Raise INVALID_ARG where a path is not the only one that its file may have."""
    kind, result = session.kind, session.result
    paths = own_paths(uid, sid, kind, base_of(session.request))
    expected = {f"paths.{name}": path for name, path in paths.items()}
    found = {f"paths.{name}": path for name, path in session.paths.items()}
    for name in kind.outputs:
        if session.paths.get(name) is None:
            expected[f"paths.{name}"] = found[f"paths.{name}"] = ""
    if result:
        made = attempt_paths(uid, sid, session.job, result.start, kind)
        expected |= {f"result.{name}": path for name, path in made.items()}
        found |= {f"result.{name}": path for name, path in result.outputs.items()}
    for name in [*expected, *found]:
        if name not in expected or expected[name] != found.get(name):
            want = repr(expected[name]) if name in expected else "no such file"
            raise invalid(f"document.{name}", want, repr(found.get(name))[:SHOWN])


def own_paths(uid: str, sid: str, kind: Kind, base: Base | None = None) -> dict[str, str]:
    """Return the paths of a job's inputs and, once it is completed, its outputs, by name.

    Args:
        uid: whose session.
        sid: which.
        kind: the job's.
        base: the picture it works on, where another version of the run has it.

    Raises:
        PawfectError: INVALID_ARG for a base of what is no run's job, or has no such input.
    """
    files = {**kind.inputs, **kind.outputs}
    paths = {name: session_path(uid, sid, file) for name, file in files.items()}
    if base is not None:
        if BASE_INPUT not in kind.inputs:
            raise invalid("request.base", f"none for {kind.name}", str(base))
        paths[BASE_INPUT] = base.path(uid, sid)
    return paths


def unpublished_paths(uid: str, sid: str, kind: Kind, base: Base | None = None) -> Paths:
    """Return a document's `paths` before there is a result; raises as `own_paths`."""
    return {**own_paths(uid, sid, kind, base), **dict.fromkeys(kind.outputs)}


def attempt_paths(uid: str, sid: str, job: str, start: int, kind: Kind) -> dict[str, str]:
    """Return where a worker's start on a job puts each output until it has won, by name."""
    return {name: attempt_path(uid, sid, job, start, file) for name, file in kind.outputs.items()}
