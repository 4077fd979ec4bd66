"""The journal that `pawfect audit` writes, read: how far an audit is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pawfect.contract.errors import ErrorKind, PawfectError, without_paths

# What `perf.audit.journal` calls its file, and the format that it writes.
NAME: Final = "journal.jsonl"
FORMAT: Final = 2
# Cells that are shown.
SHOWN: Final = 5


class Shown(BaseModel):
    """What the API shows: camelCase outside."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class AuditCell(Shown):
    """One setting on the session, as it came out."""

    setting: dict[str, str | int | float | None]
    seed: int
    status: str = Field(description="done, fallen back, failed or not fitting")
    reason: str = Field(description="Why it is not simply done.")
    total_ms: float = Field(description="The server's own time; 0: there is no answer.")
    at: str = Field(description="When it ended, ISO 8601, UTC.")


class AuditProgress(Shown):
    """How far an audit is."""

    cells: int = Field(description="Of the matrix, on this session.")
    ran: int = Field(description="That are in the journal, those of former starts among them.")
    statuses: dict[str, int] = Field(description="How many of those ended how.")
    last: list[AuditCell] = Field(description="The last of them, the newest first.")


class _Record(BaseModel):
    """A cell's line; what is not shown is left out."""

    cell: str
    setting: dict[str, str | int | float | None]
    seed: int
    status: str
    at: str
    reason: str = ""
    report: dict[str, Any] = {}


@dataclass(frozen=True)
class Journal:
    """What a journal holds.

    Attributes:
        runs: how many starts it has.
        progress: of the last of them; None: there is none.
    """

    runs: int
    progress: AuditProgress | None


def read_journal(path: Path) -> Journal:
    """Read a journal, which may be growing; the line that is being written is left out.

    Raises:
        PawfectError: INTERNAL for a file that is no journal of this format.
        OSError: it cannot be read.
    """
    runs: list[set[str]] = []
    records: dict[str, _Record] = {}
    content = path.read_bytes() if path.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            table = json.loads(line)
            if "run" in table:
                _check_format(table["format"])
                runs.append({cell["identity"] for cell in table["run"]["cells"]})
            else:
                record = _Record.model_validate(table)
                # The newest last, also where a cell ran again.
                records.pop(record.cell, None)
                records[record.cell] = record
        except (ValueError, KeyError, TypeError, RecursionError):
            expected = f"journal: expected one of an audit, got another line {number}"
            mended = "move the audit's folder away to begin anew"
            raise PawfectError(ErrorKind.INTERNAL, f"{expected}; {mended}") from None
    if not runs:
        return Journal(0, None)
    own = [record for cell, record in records.items() if cell in runs[-1]]
    return Journal(len(runs), _progress(len(runs[-1]), own))


def _check_format(found: object) -> None:
    if found != FORMAT:
        expected = f"journal: expected format {FORMAT}, got another"
        raise PawfectError(ErrorKind.INTERNAL, f"{expected}; finish it with the version it is of")


def _progress(cells: int, ran: list[_Record]) -> AuditProgress:
    return AuditProgress(
        cells=cells,
        ran=len(ran),
        statuses=dict(sorted(Counter(record.status for record in ran).items())),
        last=[_shown(record) for record in _newest(ran)],
    )


def _newest(ran: list[_Record]) -> Iterable[_Record]:
    return reversed(ran[-SHOWN:])


def _shown(record: _Record) -> AuditCell:
    return AuditCell(
        setting=record.setting,
        seed=record.seed,
        status=record.status,
        reason=without_paths(record.reason),
        total_ms=float(record.report.get("total_ms", 0.0)),
        at=record.at,
    )
