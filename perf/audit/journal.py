"""The journal of an audit: one JSON line per run and per cell, on the disk before the next begins.

Appended, never rewritten: what was killed half-way loses at most the line it was writing, which is
cut off when the journal is next opened.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self

from perf.audit.cells import Setting

NAME: Final = "journal.jsonl"
FORMAT: Final = 2

DONE: Final = "done"
FALLEN_BACK: Final = "fallen back"
FAILED: Final = "failed"
NOT_FITTING: Final = "not fitting"


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
        status: done, fallen back (the answer is not this setting's own), failed, or not fitting
            (the card has no room for it: it was not run).
        at: when it ended, ISO 8601, UTC.
        reason: why it fell back, failed or does not fit, and why its labels were made before.
        picture: the photo as filled, a path below the audit's folder.
        crop: its holes with some context, likewise.
        peak_mib: most memory held at one time while it ran.
        scores: as `perf.audit.sessions.judge` gives them.
        labels_inside: surfaces in the fill, with the share of it that each covers.
        labels_around: surfaces around it, likewise.
        report: the server's REPORT; empty where there is no answer.
        labelled: False until its fill is labelled, where its server had no labelling models.
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
    peak_mib: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    labels_inside: Mapping[str, float] = field(default_factory=dict)
    labels_around: Mapping[str, float] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    labelled: bool = True

    @property
    def total_ms(self) -> float:
        """From the request's arrival to its answer; 0 where there is none."""
        return float(self.report.get("total_ms", 0.0))

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """Read what `asdict` made of a record, through JSON; TypeError or KeyError if it is not."""
        return cls(**{**table, "setting": Setting(**table["setting"])})


class Journal:
    """The journal of one folder, held against other audits while it is open.

    Args:
        folder: the audit's; made where it is missing.

    Attributes:
        records: by cell identity, the last one where a cell was run again.

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
            _, self.records, whole = read_journal(self.path)
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

    def add(self, record: Record) -> None:
        """Write a cell; it is on the disk when this returns.

        Raises:
            OSError: the disk is full; the journal stays as it was before.
        """
        self._append(asdict(record))
        self.records[record.cell] = record

    def _append(self, table: Mapping[str, Any]) -> None:
        line = (json.dumps(table, ensure_ascii=False) + "\n").encode()
        before = os.fstat(self._file.fileno()).st_size
        try:
            while line:
                line = line[os.write(self._file.fileno(), line) :]
            os.fsync(self._file.fileno())
        except BaseException:
            self._file.truncate(before)
            raise


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
