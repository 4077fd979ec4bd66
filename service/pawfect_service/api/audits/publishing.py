"""An audit's report in the session's storage, where that gives links of its own."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from pawfect_service.api.audits.folder import PAGE, PICTURES, AuditFolder
from pawfect_service.jobs.paths import is_id, session_path
from pawfect_service.stores.base import Files

LOG: Final = logging.getLogger("pawfect.audits")

# Pictures that are read and sent at a time: some 3 MB each.
_AT_ONCE: Final = 8
# A page's pictures are fetched as it is looked at, s.
PICTURE_HOLDS_S: Final = 900.0


def report_path(uid: str, sid: str, name: str) -> str:
    """Return where a file of a session's report lies in storage."""
    return session_path(uid, sid, f"audit/{name}")


def report_file(folder: AuditFolder, name: str) -> Path | None:
    """Return where a file of a report lies here; None: a report has no such file."""
    above, _, own = name.rpartition("/")
    picture = above == PICTURES and is_id(own) and own.endswith(".jpg")
    return folder.run / name if picture or name == PAGE else None


async def publish(folder: AuditFolder, uid: str, sid: str, files: Files) -> bool:
    """Put a report into storage where this gives links; return whether it is there.

    Without it the API serves the report itself, as it does for a store without links.
    """
    try:
        if await files.link(report_path(uid, sid, PAGE), PICTURE_HOLDS_S) is None:
            return False
        there = set(await files.list(report_path(uid, sid, PICTURES)))
        pictures = [f"{PICTURES}/{path.name}" for path in (folder.run / PICTURES).glob("*.jpg")]
        # A picture's name is its cell's: one name is one picture. The page comes last.
        new = [name for name in sorted(pictures) if report_path(uid, sid, name) not in there]
        names = [*new, PAGE]
        for first in range(0, len(names), _AT_ONCE):
            batch = names[first : first + _AT_ONCE]
            await files.put(await asyncio.to_thread(_contents, folder, uid, sid, batch))
    except Exception:
        LOG.exception("a report could not be put into storage; the API serves it")
        return False
    return True


def _contents(folder: AuditFolder, uid: str, sid: str, names: list[str]) -> dict[str, bytes]:
    """Return files of a report by their paths in storage."""
    return {report_path(uid, sid, name): (folder.run / name).read_bytes() for name in names}
