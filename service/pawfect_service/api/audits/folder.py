"""Where audits lie: a folder per session, and what is noted there of the last start."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.files import write_whole
from pawfect_service.api.audits.journal import NAME
from pawfect_service.jobs.fields import Count, Failure, Part, Seconds, Text
from pawfect_service.jobs.paths import check_id, is_id

PAGE: Final = "audit.html"
PICTURES: Final = "pictures"


class AuditNote(Part):
    """What is noted of an audit's last start, and of its end.

    Attributes:
        matrix: its name.
        prompts: texts by name.
        truth: whether there is one.
        runs_before: how many starts the journal had.
        started_at: s since the epoch.
        ended_at: likewise; None: it runs, or nobody was there to see it end.
        error: why it failed.
        published: whether the session's storage has the report too.
    """

    matrix: Text
    prompts: Mapping[str, Text]
    truth: bool
    runs_before: Count
    started_at: Seconds
    ended_at: Seconds | None = None
    error: Failure | None = None
    published: bool = False


@dataclass(frozen=True)
class AuditFolder:
    """The folder of one session's audit.

    Attributes:
        session: holds the session's pictures, as `pawfect audit run --session` takes them.
    """

    session: Path

    @classmethod
    def of(cls, root: Path, uid: str, sid: str) -> AuditFolder:
        """Return where a session's audit lies below the folder of all."""
        return cls(root / check_id("uid", uid) / check_id("sid", sid))

    @property
    def run(self) -> Path:
        """Where the audit writes."""
        return self.session / "audit"

    @property
    def journal(self) -> Path:
        """How far it is."""
        return self.run / NAME

    @property
    def page(self) -> Path:
        """Its report."""
        return self.run / PAGE

    @property
    def log(self) -> Path:
        """What the process of the last start said."""
        return self.run / "audit.log"

    @property
    def cancelled(self) -> Path:
        """Is there once the last start was cancelled."""
        return self.run / "cancelled"

    @property
    def _note(self) -> Path:
        return self.run / "note.json"

    def read_note(self) -> AuditNote | None:
        """Return what is noted; None: no audit was ever started.

        Raises:
            PawfectError: INTERNAL for a note that is none.
            OSError: it cannot be read.
        """
        try:
            return AuditNote.model_validate_json(self._note.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            expected = "audit: expected a note of its start, got another file"
            raise PawfectError(ErrorKind.INTERNAL, f"{expected}; start it again") from None

    def begin(self, note: AuditNote) -> None:
        """Note a start; OSError: the disk is full, what was noted stays."""
        self.write_note(note)
        self.cancelled.unlink(missing_ok=True)

    def write_note(self, note: AuditNote) -> None:
        """Note a start or its end; OSError: the disk is full, what was noted stays."""
        write_whole(self._note, json.dumps(note.model_dump(by_alias=True)).encode())

    def write_session(self, files: Mapping[str, bytes]) -> None:
        """Write the session's pictures, by file name; those of a former start go.

        Raises:
            OSError: the disk is full.
        """
        self.run.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write_whole(self.session / name, data)
        for path in self.session.iterdir():
            if path.is_file() and path.name not in files:
                path.unlink()

    def changed_at(self) -> float:
        """Return when an audit began or ended, the later, s since the epoch."""
        try:
            note = self.read_note()
        except PawfectError:
            note = None
        if note is None:
            # Killed before it was noted, or somebody has edited it.
            return self.session.stat().st_mtime
        return note.ended_at or note.started_at

    def delete(self) -> None:
        """Delete it all; OSError: it cannot be."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.session)
        # The user's folder, where it was the last one.
        with suppress(OSError):
            self.session.parent.rmdir()

    def why_failed(self) -> str:
        """Return the last error that the process told of; nothing where it did not."""
        said = self.log.read_text("utf-8", "replace") if self.log.is_file() else ""
        errors = [line for line in said.splitlines() if line.startswith("Error: ")]
        return errors[-1].removeprefix("Error: ") if errors else ""


def folders_in(folder: Path) -> list[str]:
    """Return the folders in one that are named by an id; none where it is not there."""
    try:
        return sorted(each.name for each in folder.iterdir() if is_id(each.name) and each.is_dir())
    except FileNotFoundError:
        return []
