"""The auditor: every accepted job ended once, with one result, which differs where it was to.

It holds pixels outside the mask against the photo's, and that something was made inside; whether
that is good is not for it to say.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.photo.photo import decode_photo
from pawfect_service.jobs.contract import Document, Status
from pawfect_service.jobs.kinds.pictures import edited_jpeg
from perf.service.moves import broken_moves
from perf.service.soak import schedule
from perf.service.soak.history import Move
from perf.service.soak.ledger import BROKEN, Accepted, Ledger
from perf.service.soak.orders import Material, materials

# A fill changes the hole more than JPEG does by so much: that is 0.35 to 0.64 of 255 in the mean
# there, and another piece of the same ground 16 to 88.
_NOISES: Final = 3.0
# An alpha above it is the subject's.
_HALF: Final = 127


@dataclass
class Moves:
    """Holds each committed move against those before it, as they come.

    Attributes:
        number: of the last one that was looked at.
        doubled: what was done twice, or after a job's end.
        completed: jobs by how often they were completed.
        ends: final statuses by job.
        running: the last status of the jobs without an end.
    """

    number: int = 0
    doubled: list[str] = field(default_factory=list)
    completed: Counter[str] = field(default_factory=Counter)
    ends: dict[str, str] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._last: dict[str, Mapping[str, Any]] = {}

    def take(self, moves: Iterable[Move]) -> list[str]:
        """Take moves, oldest first; return what was doubled in them."""
        before = len(self.doubled)
        for move in moves:
            self.number = move.number
            name = f"{move.uid}/{move.sid}/{move.fields['job']}"
            old = self._last.get(name)
            status = Status(move.fields["processingStatus"])
            if old is not None:
                self.doubled += [f"{name}: {broken}" for broken in broken_moves(old, move.fields)]
            self._last[name] = move.fields
            if status is Status.COMPLETED:
                self.completed[name] += 1
                if self.completed[name] > 1:
                    self.doubled.append(f"{name}: published {self.completed[name]} times")
            if status.final:
                self.running.pop(name, None)
                if self.ends.setdefault(name, status.value) != status.value:
                    self.doubled.append(f"{name}: {self.ends[name]}, then {status.value}")
            else:
                self.running[name] = status.value
        return self.doubled[before:]


def lost(
    ledger: Ledger,
    documents: Mapping[tuple[str, str], Document],
    queued: Collection[tuple[str, str]] = (),
) -> tuple[list[str], list[str]]:
    """Return the accepted jobs that are lost, and those that would end only later.

    Lost is a job without a document, one whose document is of another job, and one without an end
    whose message is gone: nobody would ever work on it.

    Args:
        ledger: what clients were told.
        documents: by user and session.
        queued: whose messages are in the queue.
    """
    found: list[str] = []
    late: list[str] = []
    for key, job in ledger.accepted.items():
        name, document = "/".join(key), documents.get(key)
        if document is None:
            found.append(f"{name}: {job.kind}, its document is gone")
        elif job.job is not None and document["job"] != job.job:
            found.append(f"{name}: {job.kind}, the document is of another job")
        elif not Status(document["processingStatus"]).final:
            where = late if key in queued else found
            where.append(f"{name}: {job.kind}, still {document['processingStatus']}")
    return found, late


def displaced(moves: Moves, documents: Mapping[tuple[str, str], Document]) -> list[str]:
    """Return the jobs without an end whose document another job has taken."""
    found = []
    for name, status in moves.running.items():
        uid, sid, job = name.split("/")
        document = documents.get((uid, sid))
        if document is not None and str(document.get("job")) != job:
            found.append(f"{name}: {status}, and another job took its place")
    return found


def ends(
    ledger: Ledger, documents: Mapping[tuple[str, str], Document]
) -> tuple[list[str], list[str]]:
    """Return the jobs that used up their tries, and what is wrong with how jobs ended.

    A job may be in both: one that a client saw completed and that the store gave up.
    """
    tired: list[str] = []
    wrong: list[str] = []
    for key, job in ledger.accepted.items():
        document, name = documents.get(key), f"{'/'.join(key)}: {job.kind}"
        if document is None:
            continue
        if given_up(job, document):
            tired.append(f"{name}: {document['error']}")
        if problem := wrong_end(job, document):
            wrong.append(f"{name}: {problem}")
    return tired, wrong


def wrong_end(job: Accepted, document: Document) -> str | None:
    """Return what is wrong with how a job ended; None: it ended as it should."""
    status = Status(document["processingStatus"])
    error = document.get("error") or {}
    if job.ended is not None and job.ended != status.value:
        return f"a client saw {job.ended}, the store says {status.value}"
    if status is Status.CANCELLED and not job.cancelled:
        return "cancelled, and nobody asked for it"
    if status is Status.FAILED and not _foreseen(job, told := _words(error)):
        return f"failed: {told}"
    if status is Status.COMPLETED and job.hopeless is not None:
        return f"completed, expected {job.hopeless}"
    return None


def given_up(job: Accepted, document: Document) -> bool:
    """Say whether a job failed that another time would have succeeded: it used up its tries."""
    error = document.get("error") or {}
    failed = document["processingStatus"] == Status.FAILED.value
    return failed and job.hopeless is None and error.get("kind") != BROKEN


def _foreseen(job: Accepted, told: str) -> bool:
    """Say whether a job may fail so: as it has to, or as another time would not have."""
    return not told.startswith(BROKEN) if job.hopeless is None else job.hopeless in told


def _words(error: Mapping[str, Any]) -> str:
    return f"{error.get('kind')}: {error.get('message')}"


def wrong_files(job: Accepted, files: Mapping[str, bytes], material: str) -> list[str]:
    """Return what is wrong with the files of a completed job.

    Args:
        job: as a client knows it.
        files: content by the document's name of them, inputs and outputs.
        material: name of its pictures.
    """
    found = []
    for name, digest in job.digests.items():
        if name in files and hashlib.sha256(files[name]).hexdigest() != digest:
            found.append(f"{name} is not the one that a client has fetched")
    try:
        found += _CHECKS.get(job.kind, _exact)(files, material)
    except (OSError, KeyError, ValueError) as error:
        found.append(f"a broken result: {type(error).__name__}: {error}")
    return found


def _pixels(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return np.asarray(picture)


def _differs_outside(
    result: NDArray[np.uint8], expected: NDArray[np.uint8], free: NDArray[np.bool_]
) -> list[str]:
    if result.shape != expected.shape:
        return [f"a result of {result.shape}, expected {expected.shape}"]
    changed = int(((result != expected).any(2) & ~free).sum())
    return [f"{changed} px changed outside the mask"] if changed else []


def _differs_inside(result: NDArray[np.uint8], material: Material, noise: float = 0.0) -> list[str]:
    """Hold a result against the photo where it was to be filled.

    Args:
        result: UINT8 [H, W, 3] RGB.
        material: its pictures.
        noise: mean difference that is no fill.
    """
    hole = material.hole
    if not hole.any() or result.shape != material.pixels.shape:
        return []
    filled = _mean_difference(result, material.pixels, hole) > noise
    return [] if filled else ["nothing changed inside the mask"]


def _mean_difference(
    one: NDArray[np.uint8], other: NDArray[np.uint8], where: NDArray[np.bool_]
) -> float:
    return float(np.abs(one[where].astype(int) - other[where]).mean())


def _exact(files: Mapping[str, bytes], material: str) -> list[str]:
    """Hold image.png, which has no loss, against the photo."""
    photo = materials()[material]
    _pixels(files["preview"])
    _pixels(files["edited"])
    result = _pixels(files["image"])[..., :3]
    return _differs_outside(result, photo.pixels, photo.free) + _differs_inside(result, photo)


@lru_cache(maxsize=64)
def _as_jpeg(material: str) -> NDArray[np.uint8]:
    """Return the photo as it looks once it is stored as a result: blocks of a JPEG are apart."""
    photo = decode_photo(materials()[material].photo, "photo")
    return _pixels(edited_jpeg(photo, photo.pixels, "patch"))


def _session(files: Mapping[str, bytes], material: str) -> list[str]:
    _pixels(files["preview"])
    photo, unchanged, result = materials()[material], _as_jpeg(material), _pixels(files["edited"])
    noise = _NOISES * _mean_difference(unchanged, photo.pixels, photo.hole)
    outside = _differs_outside(result, unchanged, photo.free)
    return outside + _differs_inside(result, photo, noise)


def _imported(files: Mapping[str, bytes], material: str) -> list[str]:
    _pixels(files["preview"])
    same = files["original"] == materials()[material].photo
    return [] if same else ["the photo is not the one that came"]


def _cut_out(files: Mapping[str, bytes], material: str) -> list[str]:
    """Hold the subject's pixels against the photo's, and both alphas against each other."""
    photo = materials()[material]
    cut, alpha = _pixels(files["cutout"]), _pixels(files["alpha"])
    _pixels(files["preview"])
    if cut.shape != (*photo.pixels.shape[:2], 4) or not np.array_equal(cut[..., 3], alpha):
        return ["the cut-out has another alpha or size"]
    if alpha.min() > _HALF or alpha.max() <= _HALF:
        return ["nothing is cut out"]
    return _differs_outside(cut[..., :3], photo.pixels, alpha < 255)


_CHECKS: Final = {
    schedule.SESSION: _session,
    schedule.IMPORT: _imported,
    schedule.CUTOUT: _cut_out,
}


def counts_by_end(
    ledger: Ledger, documents: Mapping[tuple[str, str], Document]
) -> dict[str, dict[str, int]]:
    """Return how many accepted jobs ended how, by kind."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, job in ledger.accepted.items():
        document = documents.get(key)
        found[job.kind][str(document["processingStatus"]) if document else "gone"] += 1
    return {kind: dict(ends) for kind, ends in sorted(found.items())}


def starts_of(documents: Iterable[Document]) -> dict[str, int]:
    """Return how often jobs were begun, and failures that passed."""
    counts: Counter[str] = Counter()
    for document in documents:
        counts["starts"] += document["counts"]["starts"]
        counts["passing_failures"] += document["counts"]["passingFailures"]
        counts["publications_again"] += document["counts"]["publications"]
    return dict(counts)
