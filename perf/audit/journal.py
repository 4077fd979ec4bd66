"""The journal of an audit: one JSON line per run and per cell, on the disk before the next begins.

Appended, never rewritten: what was killed half-way loses at most the line it was writing, which is
cut off when the journal is next opened.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self

from pawfect.contract.files import write_whole
from perf.audit.cells import Setting

NAME: Final = "journal.jsonl"
FORMAT: Final = 1

DONE: Final = "done"
FALLEN_BACK: Final = "fallen back"
FAILED: Final = "failed"

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class AuditError(RuntimeError):
    """An audit that cannot go on, in one sentence for people."""


@dataclass(frozen=True)
class Record:
    """One cell as it came out.

    Attributes:
        cell: its identity.
        session: the session's name.
        seed: of the noise.
        setting: what was tried.
        status: done, fallen back (the answer is not this setting's own) or failed.
        at: when it ended, ISO 8601, UTC.
        reason: why it fell back or failed.
        picture: the photo as filled, a path below the audit's folder.
        crop: its holes with some context, likewise.
        total_ms: from the request's arrival to its answer, by REPORT.
        stage_ms: per stage, by REPORT.
        peak_mib: most memory held at one time while it ran.
        memory: what was measured: see `perf.audit.memory`.
        scores: st_lpips, seam_step, sharpness, sharpness_log, strange; those that could be taken.
        labels_inside: surfaces in the fill, with the share of it that each covers.
        labels_around: surfaces around it, likewise.
        text: the prompt that FLUX was given.
        engine: flux or patch.
        steps: denoising steps that ran.
        working_px: longest side of each window's working size.
        fallbacks: what REPORT names.
        weights: identity of the weights, by component.
        version: of the package.
    """

    cell: str
    session: str
    seed: int
    setting: Setting
    status: str
    at: str
    reason: str = ""
    picture: str = ""
    crop: str = ""
    total_ms: float = 0.0
    stage_ms: Mapping[str, float] = field(default_factory=dict)
    peak_mib: float = 0.0
    memory: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    labels_inside: Mapping[str, float] = field(default_factory=dict)
    labels_around: Mapping[str, float] = field(default_factory=dict)
    text: str | None = None
    engine: str = ""
    steps: int | None = None
    working_px: tuple[int, ...] = ()
    fallbacks: tuple[str, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """Read what `asdict` made of a record, through JSON; TypeError or KeyError if it is not."""
        lists = {key: tuple(table[key]) for key in ("working_px", "fallbacks")}
        return cls(**{**table, **lists, "setting": Setting(**table["setting"])})


class Journal:
    """The journal of one folder, held against other audits while it is open.

    Args:
        folder: the audit's; made where it is missing.

    Attributes:
        records: by cell identity, the last one where a cell was run again.
        runs: what each run said of itself, oldest first.

    Raises:
        AuditError: another audit holds it, it is damaged, or it is another format's.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        self._file: IO[bytes] = self.path.open("a+b")
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise AuditError(f"{folder.name}: another audit is writing here") from None
            self.runs, self.records, whole = read_journal(self.path)
            self._file.truncate(whole)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *caught: object) -> None:
        self._file.close()

    def begin(self, run: Mapping[str, Any]) -> None:
        """Note the start of a run: its matrix, its cells, where and with what it is measured."""
        self._append({"format": FORMAT, "run": dict(run)})
        self.runs.append(dict(run))

    def add(self, record: Record) -> None:
        """Write a cell; it is on the disk when this returns.

        Raises:
            AuditError: the disk is full; the journal stays as it was before.
        """
        self._append(asdict(record))
        self.records[record.cell] = record

    def _append(self, table: Mapping[str, Any]) -> None:
        line = (json.dumps(table, ensure_ascii=False) + "\n").encode()
        before = os.fstat(self._file.fileno()).st_size
        try:
            with refusing_full_disk(self.path.name):
                while line:
                    line = line[os.write(self._file.fileno(), line) :]
                os.fsync(self._file.fileno())
        except BaseException:
            self._file.truncate(before)
            raise


@contextmanager
def refusing_full_disk(name: str) -> Iterator[None]:
    """Turn the errors of a full disk into one that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise AuditError(
            f"{name}: the disk is full; what is in the journal stays: free some room and run the "
            "same command again"
        ) from None


def save_whole(path: Path, content: bytes, name: str) -> None:
    """Write a file that appears whole or stays as it was; its folder is made.

    Args:
        path: of the file.
        content: all of it.
        name: for the error.

    Raises:
        AuditError: the disk is full.
    """
    with refusing_full_disk(name):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)


def read_journal(path: Path) -> tuple[list[dict[str, Any]], dict[str, Record], int]:
    """Read a journal's runs and records, and how many of its bytes are whole lines.

    Raises:
        AuditError: a whole line is not the journal's own.
    """
    runs: list[dict[str, Any]] = []
    records: dict[str, Record] = {}
    content = path.read_bytes() if path.is_file() else b""
    whole = content.rfind(b"\n") + 1
    for number, line in enumerate(content[:whole].splitlines(), 1):
        try:
            table = json.loads(line)
            if "run" in table:
                if table["format"] != FORMAT:
                    raise AuditError(f"{path.name}: expected format {FORMAT}, got another one")
                runs.append(table["run"])
            else:
                record = Record.of(table)
                records[record.cell] = record
        except (ValueError, KeyError, TypeError) as error:
            raise AuditError(
                f"{path.name}: line {number} is no line of a journal ({type(error).__name__}); "
                "choose another folder with --out, or move the file away"
            ) from None
    return runs, records, whole
