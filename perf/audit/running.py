"""The run: cell after cell through the server, each in the journal before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError
from pawfect.contract.report import Report
from pawfect.flux.schedule import first_step
from pawfect_client.results import Inpainted
from pawfect_triton.overrides import Overrides
from perf.audit.cells import Cell
from perf.audit.journal import DONE, FAILED, FALLEN_BACK, AuditError, Journal, Record
from perf.audit.judging import Place, judge
from perf.audit.matrix import Matrix
from perf.audit.pictures import outlined, save_picture
from perf.audit.serving import AuditServer
from perf.audit.sessions import Session

# A server that dies this often in a row is no accident of one cell.
MOST_DEATHS: Final = 3

Say = Callable[[str], None]


class Audit:
    """Runs cells on a server and writes them down.

    Args:
        folder: the audit's.
        matrix: for deadline and prompts.
        sessions: by name.
        server: started.
        journal: open.
        say: takes a line for people.
    """

    def __init__(
        self,
        folder: Path,
        matrix: Matrix,
        sessions: Mapping[str, Session],
        server: AuditServer,
        journal: Journal,
        say: Say,
    ) -> None:
        self._folder = folder
        self._matrix = matrix
        self._sessions = sessions
        self._server = server
        self._journal = journal
        self._say = say
        self._places: dict[str, Place] = {}
        self._deaths = 0
        self._refused: dict[str, PawfectError] = {}

    def prepare(self, cells: Sequence[Cell]) -> None:
        """Look at each session and warm every prompt up.

        Every text is embedded once, so that no cell pays for what the server caches.

        Raises:
            PawfectError: the server refuses a session (too large, an empty mask), or does not load
                the first weights.
        """
        self._server.load(_overrides(cells[0]))
        for session in self._sessions.values():
            self._places[session.name] = self._look_at(session)
            for prompt in self._matrix.axes.prompt:
                self._fill(cells[0], session, prompt, steps=1, strength=1.0)

    def run(self, cell: Cell) -> Record:
        """Run one cell and write it down, whatever comes of it.

        Raises:
            AuditError: the disk is full, or the server keeps dying.
        """
        try:
            self._load(cell)
            record = self._measured(cell)
        except PawfectError as error:
            record = self._record(cell, FAILED, reason=str(error))
        self._journal.add(record)
        if self._server.broken:
            self._revive(record.reason or "after a cell that was done")
        else:
            self._deaths = 0
        return record

    def _load(self, cell: Cell) -> None:
        """Load a cell's weights; those that the server refused once are not tried again."""
        weights = cell.setting.quantisation
        if weights in self._refused:
            raise self._refused[weights]
        try:
            loaded = self._server.load(_overrides(cell))
        except PawfectError as error:
            # Of a server that died meanwhile nothing is known: the next one is asked again.
            if not self._server.broken:
                self._refused[weights] = error
            raise
        if loaded:
            # The first request after a load pays for pages and allocations that no later one does.
            session = self._sessions[cell.session]
            self._fill(cell, session, cell.setting.prompt, steps=1, strength=1.0)

    def _measured(self, cell: Cell) -> Record:
        session, place = self._sessions[cell.session], self._places[cell.session]
        with self._server.memory as memory:
            answer = self._fill(cell, session, cell.setting.prompt)
        report = answer.report
        inside = self._server.labels(answer.image, place.hole)
        reason = why_fallen_back(cell, report)
        return self._record(
            cell,
            FALLEN_BACK if reason else DONE,
            reason=reason,
            picture=save_picture(self._folder, cell.identity, answer.image),
            crop=save_picture(self._folder, f"{cell.identity}-crop", answer.image[place.view]),
            total_ms=report.total_ms,
            stage_ms=dict(report.stage_ms),
            peak_mib=round(memory.peak_mib, 1),
            memory=self._server.memory_kind,
            scores=judge(answer.image, place, inside, self._server.profile),
            labels_inside={label.name: round(label.coverage, 4) for label in inside},
            labels_around={label.name: round(label.coverage, 4) for label in place.around},
            text=report.prompt,
            engine=report.engine,
            steps=report.steps,
            working_px=tuple(window.working_px for window in report.windows),
            fallbacks=tuple(f"{f.stage}: {f.reason}; {f.instead}" for f in report.fallbacks),
            weights=dict(report.weights),
            version=report.version,
        )

    def _fill(self, cell: Cell, session: Session, prompt: str, **instead: Any) -> Inpainted:
        setting = cell.setting
        given = {
            "steps": setting.steps,
            "guidance_scale": setting.guidance,
            "strength": setting.strength,
            "seed": cell.seed,
            "deadline_ms": self._matrix.deadline_ms,
            "preview_every": 0,
        }
        return self._server.fill(session, session.prompt(prompt), **(given | instead))

    def _look_at(self, session: Session) -> Place:
        hole, ring = self._server.clean(session)
        place = Place(session, hole, self._server.labels(session.photo, ring))
        shown = {"photo": outlined(session.photo, hole), "truth": session.truth}
        for name, image in shown.items():
            if image is not None:
                save_picture(self._folder, f"{session.digest[:16]}-{name}", _cut(image, place))
        return place

    def _revive(self, reason: str) -> None:
        """Start the server again, unless that has not helped before."""
        self._deaths += 1
        if self._deaths >= MOST_DEATHS:
            raise AuditError(
                f"the server died {self._deaths} times in a row, last: {reason}; see server.log"
            )
        self._say(f"a process of the server died ({reason}); it is started again")
        try:
            self._server.restart()
        except PawfectError as failed:
            raise AuditError(f"the server does not start again: {failed}") from None

    def _record(self, cell: Cell, status: str, **told: Any) -> Record:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Record(cell.identity, cell.session, cell.seed, cell.setting, status, now, **told)


def why_fallen_back(cell: Cell, report: Report) -> str:
    """Return why an answer is not the setting's own; empty where it is.

    A card slower than any plan, a stage that failed, a deadline: the service still answers, by
    patches, with fewer steps or at a smaller size, and REPORT says so.
    """
    reasons = "; ".join(f"{f.stage}: {f.reason}" for f in report.fallbacks)
    if report.engine != "flux":
        return f"engine {report.engine}: {reasons or report.engine_reason}"
    if report.steps != cell.setting.steps:
        return f"{report.steps} steps instead of {cell.setting.steps}: {reasons}"
    if report.strength != cell.setting.strength or any(
        "strength" in f.instead for f in report.fallbacks
    ):
        return f"another strength than {cell.setting.strength:g}: {reasons}"
    setting = cell.setting
    whole = setting.steps - first_step(setting.steps, setting.strength)
    # What a server with a planner says of steps that it left out, where it would have been late.
    taken = report.steps_taken
    if taken is not None and taken < whole:
        return f"{taken} steps taken of {whole}: {reasons}"
    largest = max((window.working_px for window in report.windows), default=0)
    # A canvas has about the area of the square: twice as long as high at most.
    if largest and not cell.setting.size / 2 < largest < cell.setting.size * 1.5 + 16:
        return f"worked at {largest} px instead of {cell.setting.size}: {reasons}"
    return ""


def _overrides(cell: Cell) -> Overrides:
    setting = cell.setting
    return Overrides(setting.quantisation, setting.size, check=False, verbatim=True)


def _cut(image: NDArray[np.uint8], place: Place) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[place.view])
