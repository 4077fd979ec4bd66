"""A session's document: its fields, strictly read, and the names of its files.

    from_document(...)   a store's document to a SessionDocument; an impossible one is an error
    to_document(...)     and back

Fields that are not ours are kept as they are: a product has its own in the same document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, ValidationError, model_validator

from pawfect.contract.errors import invalid
from pawfect_service.jobs.contract import EDITED, MASK, ORIGINAL, PREVIEW, Status
from pawfect_service.jobs.fields import (
    ID_PATTERN,
    Cost,
    Counts,
    Failure,
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
from pawfect_service.stores.base import Document

# Firestore's ids and storage's path parts in one: no dots at the start, no slashes, no tricks;
# __x__ is Firestore's own.
_ID: Final = re.compile(rf"(?!__.*__$){ID_PATTERN}")
# Longest piece of a value that an error repeats.
_SHOWN: Final = 60
# Characters of a REPORT; a document has room for 1 MiB in all.
MAX_REPORT: Final = 500_000
# The folder of what workers make until it is published; see `attempt_path`.
ATTEMPTS: Final = "attempts"


def is_id(value: str) -> bool:
    """Say whether an id is safe in a path and as a document's name."""
    return _ID.fullmatch(value) is not None


def check_id(name: str, value: str) -> str:
    """Return an id that is safe in a path and as a document's name; else raise INVALID_ARG."""
    if not is_id(value):
        raise invalid(
            name, "1 to 128 letters, digits, '.', '_' or '-', no '.' first", repr(value[:_SHOWN])
        )
    return value


def session_path(uid: str, sid: str, name: str = "") -> str:
    """Return the path of a session's document, or of one of its files."""
    path = f"users/{check_id('uid', uid)}/sessions/{check_id('sid', sid)}"
    return f"{path}/{name}" if name else path


def check_path(path: str) -> str:
    """Return a path whose every part is a plain name; else raise INVALID_ARG."""
    return "/".join(check_id("path", part) for part in path.split("/"))


def attempt_path(uid: str, sid: str, job: str, start: int, name: str) -> str:
    """Return where a worker's start on a job puts a file until it has won."""
    return session_path(uid, sid, f"{ATTEMPTS}/{check_id('job', job)}-{start}-{name}")


class SessionDocument(Part):
    """A session and its present job. Times are the store's clock, s since the epoch.

    Attributes:
        processing_status: where the job stands.
        job: the id of this enqueuing; a session that is queued again gets a new one.
        created_at: when the session was queued first.
        updated_at: when this document was last written.
        queued_at: when this job was queued.
        label_deadline: labels are not waited for after this.
        job_deadline: nothing starts after this.
        expires_at: a job without an end is given up then; None once it has one.
        counts: what it has used up of its bounds.
        lease: who works on it.
        request: the parameters and prompt, as the API has checked them.
        repeated: whether another request was given this job too while it was pending.
        scene_labels: labels of the surroundings, once there are any.
        scene_labels_error: why there are none.
        progress: how far the fill is; all done once it is completed, none if it ended otherwise.
        result: the claimed result.
        report: its REPORT, as JSON text: Firestore holds no list in a list.
        paths: the session's files.
        cost: what it cost, written with the claim.
        error: why it failed.
    """

    model_config = ConfigDict(extra="allow")

    processing_status: Annotated[Status, Field(strict=False)]
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

    @property
    def final(self) -> bool:
        """Whether nothing more happens to this job."""
        return self.processing_status.final

    @model_validator(mode="after")
    def _possible(self) -> SessionDocument:
        status = self.processing_status
        claim = (self.result, self.report, self.cost)
        published = (self.paths.edited, self.paths.preview)
        for expected, holds in (
            ("result, report and cost together", len({part is None for part in claim}) == 1),
            ("edited and preview together", len({part is None for part in published}) == 1),
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
    if labels := document["sceneLabels"]:
        labels |= {name: list(value) for name, value in labels.items() if isinstance(value, tuple)}
    return document


def others_fields(document: Mapping[str, Any]) -> dict[str, Any]:
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
        first = error.errors(include_url=False)[0]
        name = ".".join(["document", *map(str, first["loc"])])
        got = repr(first["input"])[:_SHOWN] if first["loc"] else "otherwise"
        raise invalid(name, _expected(first["msg"]), got) from None
    for name, path, own in _files(uid, sid, session):
        if path is not None and path != own:
            raise invalid(f"document.{name}", repr(own), repr(path)[:_SHOWN])
    return session


def _expected(message: str) -> str:
    """Return pydantic's sentence without what "expected" says already."""
    for start in ("Input should be ", "Value error, "):
        message = message.removeprefix(start)
    return "a value" if message == "Field required" else message[:1].lower() + message[1:]


def _files(uid: str, sid: str, session: SessionDocument) -> list[tuple[str, str | None, str]]:
    """Return name, path as written and only allowed path of every file."""
    paths, result = session.paths, session.result
    files = [
        ("paths.original", paths.original, session_path(uid, sid, ORIGINAL)),
        ("paths.mask", paths.mask, session_path(uid, sid, MASK)),
        ("paths.edited", paths.edited, session_path(uid, sid, EDITED)),
        ("paths.preview", paths.preview, session_path(uid, sid, PREVIEW)),
    ]
    if result:
        attempt = uid, sid, session.job, result.start
        files += [
            ("result.edited", result.edited, attempt_path(*attempt, EDITED)),
            ("result.preview", result.preview, attempt_path(*attempt, PREVIEW)),
        ]
    return files
