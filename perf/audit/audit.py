"""One audit from its matrix to its reports, and what can be read back of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pawfect.profile import Profile, load_profile
from pawfect.weights.lock import LockFile
from pawfect.weights.manifest import BUILT
from pawfect.weights.store import Store
from perf.audit.cells import Cell, Setting, cells_of
from perf.audit.choice import Choice, choose
from perf.audit.journal import NAME, AuditError, read_journal
from perf.audit.links import SignedLinks, Target, upload
from perf.audit.matrix import Matrix
from perf.audit.page import Content, write_report
from perf.audit.sessions import Session
from perf.publish import provenance

PACKAGES: Final = ("pawfect", "torch", "diffusers", "tritonclient")


def check_weights(matrix: Matrix, profile: Profile, store: Store) -> dict[str, str]:
    """Make sure that all weights are here, and return their identities by entry.

    Raises:
        AuditError: an entry is missing or damaged, with the command that mends it, or holds no
            transformer.
    """
    wanted = sorted({*profile.weights.values(), *matrix.axes.quantisation})
    lacking = [name for name in wanted if any(store.problems(name))]
    if lacking:
        raise AuditError(
            f"weights {', '.join(lacking)}: not here, or not whole; run "
            f"`pawfect weights fetch {' '.join(lacking)}`"
        )
    lock = LockFile(store.root)
    for name in matrix.axes.quantisation:
        entry = store.entries[name]
        paths = lock.get(name).files if entry.kind == BUILT else [file.path for file in entry.files]
        if not any(path.startswith("transformer/") for path in paths):
            raise AuditError(f"axes.quantisation: {name} holds no transformer of FLUX")
    return {name: store.identity(name) for name in wanted}


def run_note(
    matrix: Matrix, cells: Sequence[Cell], sessions: Iterable[Session], command: str
) -> dict[str, Any]:
    """Return what a run's line in the journal says: enough to write the reports again."""
    return {
        "profile": matrix.profile,
        "budget_ms": matrix.budget_ms,
        "deadline_ms": matrix.deadline_ms,
        "provenance": provenance(command, PACKAGES),
        "sessions": [
            {
                "name": session.name,
                "photo": f"pictures/{session.digest[:16]}-photo.jpg",
                "truth": f"pictures/{session.digest[:16]}-truth.jpg"
                if session.truth is not None
                else "",
            }
            for session in sessions
        ],
        "cells": [asdict(cell) for cell in cells],
    }


def planned(
    matrix: Matrix, sessions: Sequence[Session], identities: Mapping[str, str]
) -> list[Cell]:
    """Return a matrix's cells; two sessions of the same pictures count once."""
    cells = cells_of(matrix, sessions, load_profile(matrix.profile), identities)
    return list({cell.identity: cell for cell in cells}.values())


def read_run(folder: Path) -> Content:
    """Read the last run of an audit's folder back from its journal.

    Raises:
        AuditError: there is none, or the journal is damaged.
    """
    runs, records, _ = read_journal(folder / NAME)
    if not runs:
        raise AuditError(f"{folder.name}: no audit has run here")
    run = runs[-1]
    cells = [Cell(**{**cell, "setting": Setting(**cell["setting"])}) for cell in run["cells"]]
    return Content(run, cells, records, choose(cells, records, run["budget_ms"]), {})


def report(
    folder: Path, target: Target | None = None, key: Path | None = None, days: int = 7
) -> tuple[Choice, Path]:
    """Write the report; pictures are uploaded first, and their links signed, where asked for.

    Args:
        folder: the audit's.
        target: where pictures are uploaded.
        key: of the service account that uploads and signs.
        days: how long the links hold.

    Raises:
        AuditError: as its parts do.
    """
    content = read_run(folder)
    if target is not None:
        if key is None:
            raise AuditError("upload: expected --key FILE, by which the links are signed")
        signer = SignedLinks(key, days)
        shown = [
            content.records[c.identity] for c in content.cells if c.identity in content.records
        ]
        paths = [path for row in shown for path in (row.picture, row.crop) if path]
        upload(folder, paths, target, key)
        links = {path: signer.sign(target.bucket, target.name(path)) for path in paths}
        end = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%d %H:%M UTC")
        content = Content(content.run, content.cells, content.records, content.choice, links, end)
    return content.choice, write_report(folder, content)
