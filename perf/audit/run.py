"""The run: cell after cell through the server, each in the journal before the next begins."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.chains import CHAINS
from pawfect.contract.errors import PawfectError
from pawfect.contract.files import write_whole
from pawfect.contract.report import Report
from pawfect.diffusion.schedule import first_step
from pawfect.scene.instructions import removal_instruction
from pawfect.scene.prompt import Label, Prompt
from pawfect_client.results import Inpainted
from pawfect_triton.overrides import Overrides
from perf.audit.cells import Cell, Setting
from perf.audit.journal import DONE, FAILED, FALLEN_BACK, AuditError, Journal, Record
from perf.audit.server import AuditServer
from perf.audit.sessions import Place, Session, judge, judge_labels
from perf.pictures import outlined, view_of

# A server that dies this often in a row is no accident of one cell.
MOST_DEATHS: Final = 3
# Of JPEG: the eye sees no difference, at half of a phone's own file size.
QUALITY: Final = 92


@dataclass
class Audit:
    """Runs cells on a server and writes them down.

    Attributes:
        folder: the audit's.
        deadline_ms: of each request.
        sessions: by name.
        server: started.
        journal: open.
        say: takes a line for people.
        places: what fills are judged by, by session; where they are given, the server has no
            labelling models: their labels go with the requests, and fills are labelled later.
        reasons: why that is so, by setting.
        deaths: how often in a row a process of the server died.
        refused: what the server said of what it did not load.
    """

    folder: Path
    deadline_ms: int
    sessions: Mapping[str, Session]
    server: AuditServer
    journal: Journal
    say: Callable[[str], None]
    places: dict[str, Place] = field(default_factory=dict)
    reasons: Mapping[Setting, str] = field(default_factory=dict)
    deaths: int = 0
    refused: dict[Overrides, PawfectError] = field(default_factory=dict)
    labelled_before: bool = field(init=False)

    def __post_init__(self) -> None:
        self.labelled_before = bool(self.places)

    def prepare(self, cells: Sequence[Cell], prompts: Sequence[str]) -> None:
        """Look at each session and warm every prompt up.

        Every text is embedded once, so that no cell pays for what the server caches.

        Raises:
            PawfectError: the server refuses a session (too large, an empty mask), or does not load
                the first weights.
        """
        self.server.load(overrides_of(cells[0].setting))
        for session in self.sessions.values():
            if not self.labelled_before:
                self.places[session.name] = look_at(self.server, self.folder, session)
            for prompt in prompts:
                self._fill(cells[0], session, prompt, steps=1, strength=1.0)

    def run(self, cell: Cell) -> Record:
        """Run one cell and write it down, whatever comes of it.

        Raises:
            AuditError: the server keeps dying.
            PawfectError: it does not start again.
            OSError: the disk is full.
        """
        try:
            self._load(cell)
            record = self._measured(cell)
        except PawfectError as error:
            record = record_of(cell, FAILED, reason=str(error))
        self.journal.add(record)
        if not self.server.broken:
            self.deaths = 0
            return record
        self.deaths += 1
        if self.deaths >= MOST_DEATHS:
            raise AuditError(
                f"the server died {self.deaths} times in a row, last: {record.reason}; see "
                "server.log"
            )
        self.say(f"a process of the server died ({record.reason}); it is started again")
        self.server.start()
        return record

    def _load(self, cell: Cell) -> None:
        """Load what a cell runs with; what the server refused once is not tried again."""
        overrides = overrides_of(cell.setting)
        if overrides in self.refused:
            raise self.refused[overrides]
        try:
            loaded = self.server.load(overrides)
        except PawfectError as error:
            # Of a server that died meanwhile nothing is known: the next one is asked again.
            if not self.server.broken:
                self.refused[overrides] = error
            raise
        if loaded:
            # The first request after a load pays for pages and allocations that no later one does.
            session = self.sessions[cell.session]
            self._fill(cell, session, cell.setting.prompt, steps=1, strength=1.0)

    def _measured(self, cell: Cell) -> Record:
        session, place = self.sessions[cell.session], self.places[cell.session]
        with self.server.watched() as memory:
            answer = self._fill(cell, session, cell.setting.prompt)
        profile = self.server.profile
        inside = [] if self.labelled_before else self.server.labels(answer.image, place.hole)
        scores = {} if self.labelled_before else judge_labels(place, inside, profile)
        reason = why_fallen_back(cell, answer.report)
        crop = answer.image[view_of(place.hole)]
        return record_of(
            cell,
            FALLEN_BACK if reason else DONE,
            reason="; ".join(filter(None, (reason, self.reasons.get(cell.setting)))),
            picture=save_picture(self.folder, cell.identity, answer.image),
            crop=save_picture(self.folder, f"{cell.identity}-crop", crop),
            peak_mib=round(memory.bytes / 2**20, 1),
            scores=judge(answer.image, place) | scores,
            labels_inside=shares(inside),
            labels_around=shares(place.around),
            report=json.loads(answer.report.to_json()),
            labelled=not self.labelled_before,
        )

    def _fill(self, cell: Cell, session: Session, prompt: str, **instead: Any) -> Inpainted:
        setting = cell.setting
        given = {
            "steps": setting.steps,
            "guidance_scale": setting.guidance,
            "strength": setting.strength,
            "seed": cell.seed,
            "deadline_ms": self.deadline_ms,
            "preview_every": 0,
        }
        text = session.source.text(prompt)
        labels: tuple[str, ...] = ()
        if self.labelled_before:
            place = self.places[session.name]
            if text is None and place.prompt is not None:
                text = worded(place.prompt, setting.engine)
            labels = tuple(label.name for label in place.around)
        said = {name: value for name, value in (given | instead).items() if value is not None}
        return self.server.fill(session, text, labels, **said)


def worded(prompt: Prompt, engine: str) -> str:
    """Return what the product tells an engine of what lies around a hole."""
    return removal_instruction(prompt) if CHAINS[engine].references else prompt.text


def look_at(server: AuditServer, folder: Path, session: Session) -> Place:
    """Return what fills of a session are judged by, and save its pictures for the report.

    Args:
        server: with the labelling models.
        folder: the audit's.
        session: whose photo and mask.

    Raises:
        PawfectError: as the server answers.
        OSError: the disk is full.
    """
    hole, ring = server.clean(session)
    shown = {"photo": outlined(session.photo, hole), "truth": session.truth}
    for name, image in shown.items():
        if image is not None:
            save_picture(folder, f"{session.digest[:16]}-{name}", image[view_of(hole)])
    return Place(session, hole, ring, server.labels(session.photo, ring))


def shares(labels: Sequence[Label]) -> dict[str, float]:
    """Return the share of the area that each label covers, by name."""
    return {label.name: round(label.coverage, 4) for label in labels}


def save_picture(folder: Path, name: str, image: NDArray[np.uint8]) -> str:
    """Save UINT8 [H, W, 3] as JPEG and return its path below the audit's folder.

    Raises:
        OSError: the disk is full; no part of the file stays.
    """
    place = f"pictures/{name}.jpg"
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=QUALITY, subsampling=0)
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    write_whole(folder / place, content.getvalue())
    return place


def why_fallen_back(cell: Cell, report: Report) -> str:
    """Return why an answer is not the setting's own; empty where it is.

    A card slower than any plan, a stage that failed, a deadline: the service still answers, by
    patches, with fewer steps or at a smaller size, and REPORT says so.
    """
    setting = cell.setting
    reasons = "; ".join(f"{f.stage}: {f.reason}" for f in report.fallbacks)
    if report.engine != setting.engine:
        return f"engine {report.engine}: {reasons or report.engine_reason}"
    if report.steps != setting.steps:
        return f"{report.steps} steps instead of {setting.steps}: {reasons}"
    # Where a strength under 1 starts from patches and there are none, it starts from noise.
    without_start = any(fallback.stage == "patch_fill" for fallback in report.fallbacks)
    if report.strength != setting.strength or without_start:
        return f"another strength than {setting.strength:g}: {reasons}"
    whole = setting.steps - first_step(setting.steps, setting.strength)
    # Steps that were left out, where the run would have been late.
    taken = report.steps_taken
    if taken is not None and taken < whole:
        return f"{taken} steps taken of {whole}: {reasons}"
    largest = max((window.working_px for window in report.windows), default=0)
    # A canvas has about the area of the square: twice as long as high at most.
    if largest and not setting.size / 2 < largest < setting.size * 1.5 + 16:
        return f"worked at {largest} px instead of {setting.size}: {reasons}"
    return ""


def overrides_of(setting: Setting) -> Overrides:
    """Return what a setting changes of the profile."""
    return Overrides(
        setting.quantisation,
        setting.size,
        check=False,
        verbatim=True,
        attention=setting.attention,
        tile_px=setting.tile_px,
        engine=setting.engine,
        references=setting.references,
    )


def record_of(cell: Cell, status: str, **given: Any) -> Record:
    """Return the record of a cell that ended now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Record(cell.identity, cell.session, cell.seed, cell.setting, status, now, **given)
