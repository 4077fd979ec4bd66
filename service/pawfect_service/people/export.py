"""A copy of all that is kept of a user, as one ZIP that is made while it is sent.

runs/TOKEN/run.json                    what was made of what
runs/TOKEN/versions/0001/job.json      each version's document as it is stored
runs/TOKEN/versions/0001/files/NAME    and its files
runs/TOKEN/references/NAME             pictures that came with the run
sessions/SID/job.json, .../files/NAME  the same of a session
ratings.json                           ratings, comments and choices between two candidates
consents.json, quota.json              consent to swaps, and what quotas count
other/...                              all else that lies in the user's storage
manifest.json                          every entry with its bytes and SHA-256, and what is missing
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from pawfect import __version__
from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.paths import ATTEMPTS, RunId, check_id, is_run_job
from pawfect_service.people.kept import Kept, user_folder
from pawfect_service.people.zip_stream import ZipStream
from pawfect_service.services import Services
from pawfect_service.stores.base import OpenedFile

MANIFEST: Final = "manifest.json"
_SESSION_FILE: Final = re.compile(r"sessions/(?P<sid>[^/]+)/(?P<name>.+)")
_REFERENCE: Final = re.compile(r"references/(?P<token>[0-9a-f]{32})/(?P<name>.+)")
# Of a document's what people said of a result.
_OPINIONS: Final = ("jobFeedback", "jobComparisons")


@dataclass(frozen=True)
class _Entry:
    """What is to be an entry of the ZIP."""

    path: str
    pieces: AsyncGenerator[bytes, None]
    packed: bool = False


class Export:
    """The export of one user's data.

    Args:
        services: the store.
        kept: all that is kept of a user; what a row exports beside files is added.
        uid: whose.
    """

    def __init__(self, services: Services, kept: Sequence[Kept], uid: str) -> None:
        self._stores = services.stores
        self._kept = kept
        self._uid = check_id("uid", uid)
        self._zip = ZipStream(services.tools.off_loop)
        self._missing: list[str] = []

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the ZIP; closing the generator ends it.

        Raises:
            PawfectError: as the store fails; what was sent then is no whole ZIP.
        """
        async with aclosing(self._entries()) as entries:
            async for entry in entries:
                made = self._zip.entry(entry.path, entry.pieces, packed=entry.packed)
                async with aclosing(made):
                    async for piece in made:
                        yield piece
        yield self._zip.end()

    async def _entries(self) -> AsyncGenerator[_Entry, None]:
        for found in (self._documents, self._files, self._beside):
            async with aclosing(found()) as entries:
                async for entry in entries:
                    yield entry
        # Each entry is written before the next one is asked for.
        yield _json(
            MANIFEST,
            {
                "user": self._uid,
                "exportedAt": time.time(),
                "version": __version__,
                "entries": [asdict(each) for each in self._zip.written],
                "missing": self._missing,
            },
        )

    async def _documents(self) -> AsyncGenerator[_Entry, None]:
        """Yield every job's document, run by run, and at the end what was said of them."""
        run: RunId | None = None
        versions: list[dict[str, Any]] = []
        opinions: list[dict[str, Any]] = []
        async for sid, document in self._stores.documents.of_user(self._uid):
            of = RunId.of_job(self._uid, sid) if is_run_job(sid) else None
            if of != run:
                if run is not None:
                    yield _run(run, versions)
                run, versions = of, []
            if of is not None:
                versions.append(_version(of.version(sid), document))
            if said := {name: document[name] for name in _OPINIONS if document.get(name)}:
                opinions.append({"sid": sid, **said})
            yield _json(f"{_folder(self._uid, sid)}/job.json", document)
        if run is not None:
            yield _run(run, versions)
        yield _json("ratings.json", {"ratings": opinions})

    async def _files(self) -> AsyncGenerator[_Entry, None]:
        above = f"{user_folder(self._uid)}/"
        async for file in self._stores.files.stored(user_folder(self._uid)):
            path = _place(self._uid, file.path.removeprefix(above))
            if path is None:
                continue
            try:
                opened = await self._stores.files.read(file)
            except FileNotFoundError:
                # Deleted since it was listed.
                self._missing.append(path)
                continue
            yield _Entry(path, self._as_far(path, opened))

    async def _as_far(self, path: str, opened: OpenedFile) -> AsyncGenerator[bytes, None]:
        """Yield a file as far as it is there; where it goes meanwhile it is missing."""
        async with aclosing(cast("AsyncGenerator[bytes, None]", opened.pieces)) as pieces:
            try:
                async for piece in pieces:
                    yield piece
            except FileNotFoundError:
                self._missing.append(path)

    async def _beside(self) -> AsyncGenerator[_Entry, None]:
        """Yield what rows of the table export beside jobs and files."""
        for kept in self._kept:
            if kept.exported is not None:
                async for path, content in kept.exported(self._uid):
                    yield _json(path, content)


def _json(path: str, content: Mapping[str, Any]) -> _Entry:
    text = json.dumps(content, ensure_ascii=False, indent=1, default=_told)

    async def one() -> AsyncGenerator[bytes, None]:
        # A half of a character that somebody wrote by hand must not stop the rest.
        yield text.encode("utf-8", "replace")

    return _Entry(path, one(), packed=True)


def _run(run: RunId, versions: list[dict[str, Any]]) -> _Entry:
    whole = {"runId": str(run), "versions": versions}
    return _json(f"runs/{run.token}/run.json", whole)


def _folder(uid: str, sid: str) -> str:
    if not is_run_job(sid):
        return f"sessions/{sid}"
    run = RunId.of_job(uid, sid)
    return f"runs/{run.token}/versions/{run.version(sid):04d}"


def _place(uid: str, path: str) -> str | None:
    """Return where a file of a user's lies in the ZIP; None: it is work that is not done.

    Args:
        uid: whose.
        path: below the user's folder.
    """
    if found := _SESSION_FILE.fullmatch(path):
        if found["name"].startswith(f"{ATTEMPTS}/"):
            return None
        return f"{_folder(uid, found['sid'])}/files/{found['name']}"
    if found := _REFERENCE.fullmatch(path):
        return f"runs/{found['token']}/references/{found['name']}"
    return f"other/{path}"


def _version(number: int, document: Document) -> dict[str, Any]:
    request = document.get("request")
    base = request.get("base") if isinstance(request, Mapping) else None
    return {
        "version": number,
        "kind": document.get("jobKind", "inpaint"),
        "status": document.get("processingStatus"),
        "base": base,
        "folder": f"versions/{number:04d}",
    }


def _told(value: Any) -> Any:
    """Return what JSON has no word for, such as a time in a field that a product added."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
