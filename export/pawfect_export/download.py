"""One file from the hub to the disk: resumed, hashed as it comes, never taken for more than it is.

huggingface_hub 2.4 tells what a file is and names refusals, and it is used for both. Its download
is not: it throws away what it has when the process ends, and checks no digest; with files of 24 GB
both matter.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from huggingface_hub import get_session
from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.weights.manifest import WeightsFile
from pawfect.weights.store import CHUNK
from pawfect_export.hub import Hub, Remote

# A server that sends nothing for this long has lost the connection, s.
TIMEOUT: Final = httpx2.Timeout(30.0, connect=15.0)

Seen = Callable[[int], None]


@dataclass(frozen=True)
class _Beginning:
    """What a part file is the beginning of.

    Attributes:
        etag: the file's digest as the hub described it.
        validator: the ETag under which the bytes were served, for `If-Range`; another one than
            the digest where a CDN serves them.
    """

    etag: str | None
    validator: str | None


class Part:
    """A file on its way, with what it is the beginning of beside it.

    Args:
        path: of the part; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._note = path.with_name(path.name + ".json")

    @property
    def size(self) -> int:
        """Bytes had so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def beginning(self) -> _Beginning | None:
        """Return what the bytes are the beginning of, or None where that is not known."""
        try:
            return _Beginning(**json.loads(self._note.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def begin(self, beginning: _Beginning) -> None:
        """Note what the bytes to come are."""
        self._note.write_text(json.dumps(asdict(beginning)), "utf-8")

    def drop(self) -> None:
        """Remove the part and its note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def move_to(self, target: Path) -> None:
        """Put the finished file in its place at once, and remove the note."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(target)
        self._note.unlink(missing_ok=True)


def download(
    file: WeightsFile, revision: str, remote: Remote, part: Part, hub: Hub, seen: Seen
) -> str:
    """Fetch a file into its part, going on from what is there.

    Args:
        file: of the manifest; its digest binds where it has one.
        revision: the commit to fetch.
        remote: the file as the hub described it.
        part: where the bytes go.
        hub: where they come from.
        seen: told of bytes as they come; of a negative number when some are given up.

    Returns:
        The SHA-256, hexadecimal.

    Raises:
        PawfectError: UNAVAILABLE where the hub refuses, fails for long, or sends other bytes than
            expected; those are removed.
    """
    started = part.beginning()
    if part.size and (started is None or started.etag != remote.etag):
        part.drop()
    resumed = part.size > 0
    digest = _fetched(file, revision, remote, part, hub, seen)
    problem = mismatch(part.path, digest, file, remote)
    if problem and resumed:
        # The beginning may be what is damaged: once more, from nothing.
        seen(-part.size)
        part.drop()
        digest = _fetched(file, revision, remote, part, hub, seen)
        problem = mismatch(part.path, digest, file, remote)
    if problem:
        part.drop()
        raise PawfectError(
            ErrorKind.UNAVAILABLE,
            f"{file.repository} {file.path}: {problem}; what came was removed",
        )
    return digest


def mismatch(path: Path, digest: str, file: WeightsFile, remote: Remote) -> str | None:
    """Return how a file differs from the manifest and from the hub's description, or None.

    Args:
        path: of the file.
        digest: its SHA-256.
        file: of the manifest.
        remote: as the hub described it.
    """
    size = path.stat().st_size
    for expected in (file.size, remote.size):
        if expected is not None and size != expected:
            return f"expected {expected} bytes, got {size}"
    if file.sha256 is not None and digest != file.sha256:
        return f"expected SHA-256 {file.sha256}, got {digest}"
    etag = remote.etag or ""
    if len(etag) == 64 and digest != etag:
        return f"expected the published SHA-256 {etag}, got {digest}"
    if len(etag) == 40 and (blob := git_blob_of(path)) != etag:
        return f"expected the published git blob {etag}, got {blob}"
    return None


def git_blob_of(path: Path) -> str:
    """Return the name that git gives a file's content: SHA-1 of its header and bytes."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as content:
        while piece := content.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _fetched(
    file: WeightsFile, revision: str, remote: Remote, part: Part, hub: Hub, seen: Seen
) -> str:
    """Fetch what is missing, over as many connections as it takes; return the SHA-256."""
    digest = hashlib.sha256()
    with part.path.open("ab") as out:
        _rehash(part.path, digest)
        if remote.size is not None and out.tell() == remote.size:
            return digest.hexdigest()
        first = True

        def attempt() -> str:
            nonlocal digest, first
            # A CDN's address is signed and expires: each further attempt asks for a new one.
            fresh = remote if first else hub.describe(file, revision)
            first = False
            if out.tell() and fresh.etag != remote.etag:
                digest = _given_up(out, seen)
            digest = _stream(fresh, part, out, digest, hub, seen)
            return str(digest.hexdigest())

        result = hub.insist(file, attempt, out.tell)
        out.flush()
        os.fsync(out.fileno())
        return result


def _stream(remote: Remote, part: Part, out: Any, digest: Any, hub: Hub, seen: Seen) -> Any:
    """Append one answer's bytes to the part; return the digest of all of it."""
    headers, have = hub.headers(remote.location), out.tell()
    started = part.beginning()
    if have:
        headers["Range"] = f"bytes={have}-"
        if started and started.validator:
            headers["If-Range"] = started.validator
    with get_session().stream(
        "GET", remote.location, headers=headers, timeout=TIMEOUT, follow_redirects=True
    ) as answer:
        if answer.status_code == 416:
            digest = _given_up(out, seen)
            raise httpx2.RemoteProtocolError("the part is longer than the file")
        hf_raise_for_status(answer)
        if have and not _goes_on(answer, have):
            digest = _given_up(out, seen)
        if not out.tell():
            tag = answer.headers.get("ETag")
            strong = tag if tag and not tag.startswith("W/") else None
            part.begin(_Beginning(remote.etag, strong))
        # In pieces as they come: gathered into larger ones, a cut would lose the last.
        for piece in answer.iter_raw():
            out.write(piece)
            digest.update(piece)
            seen(len(piece))
    return digest


def _goes_on(answer: httpx2.Response, have: int) -> bool:
    """Say whether an answer starts where the part ends; a server may send the whole instead."""
    return answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(
        f"bytes {have}-"
    )


def _given_up(out: Any, seen: Seen) -> Any:
    """Empty the part and return the digest of nothing."""
    seen(-out.tell())
    out.seek(0)
    out.truncate()
    return hashlib.sha256()


def _rehash(path: Path, digest: Any) -> None:
    with path.open("rb") as content:
        while piece := content.read(CHUNK):
            digest.update(piece)
