"""A run in its stages: what fits beside the labelling models, what goes without, what does not fit.

Of what goes without, labels are made before by a server that has nothing else on the card, given
with each request, and the fills are labelled by such a server again. Every stage writes to the
journal as it goes: killed at any time, the run goes on with what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from pawfect.profile import Profile
from pawfect.scene.prompt import build_prompt
from pawfect_triton.overrides import Overrides
from perf.audit.cells import Cell, Setting
from perf.audit.choice import loss_of
from perf.audit.journal import FAILED, NOT_FITTING, AuditError, Journal, Record
from perf.audit.placing import (
    ALONE,
    BESIDE,
    NOT_AT_ALL,
    Placement,
    only_labelling,
    place,
    without_labelling,
)
from perf.audit.run import Audit, look_at, overrides_of, record_of, shares
from perf.audit.server import AuditServer
from perf.audit.sessions import Place, Session, judge_labels

LOG: Final = "server.log"


@dataclass(frozen=True)
class Plan:
    """What is run, and where.

    Attributes:
        folder: the audit's.
        profile: whose server runs.
        sessions: by name.
        prompts: names of the matrix's prompts.
        deadline_ms: of each request.
        placements: by setting.
    """

    folder: Path
    profile: Profile
    sessions: Mapping[str, Session]
    prompts: Sequence[str]
    deadline_ms: int
    placements: Mapping[Setting, Placement]

    def where(self, cell: Cell) -> str:
        """Return BESIDE, ALONE or NOT_AT_ALL."""
        return self.placements[cell.setting].where

    def server(self, profile: Profile, *, fills: bool = True) -> AuditServer:
        """Return a server of some of the profile's models, not yet started."""
        return AuditServer(profile, self.folder / LOG, fills=fills)


def placements_of(
    cells: Iterable[Cell], profile: Profile, card_gib: float | None
) -> dict[Setting, Placement]:
    """Return where each setting of some cells fits."""
    by_need: dict[object, Placement] = {}
    found = {}
    for setting in {cell.setting for cell in cells}:
        overrides = overrides_of(setting)
        if overrides not in by_need:
            by_need[overrides] = place(profile, card_gib, overrides)
        found[setting] = by_need[overrides]
    return found


def check_start(
    profile: Profile, card_gib: float | None, placements: Mapping[Setting, Placement]
) -> None:
    """Raise AuditError where a server that some setting needs would not even start.

    It loads the profile's own transformers first, whatever the setting names.
    """
    least: dict[str, Any] = {
        name: replace(settings, sizes=settings.sizes[:1])
        for name in profile.chains
        if (settings := profile.chain(name)) is not None
    }
    own = place(replace(profile, **least), card_gib, Overrides())
    needed = {found.where for found in placements.values()}
    too_much = (BESIDE in needed and own.where != BESIDE) or (
        ALONE in needed and own.where == NOT_AT_ALL
    )
    if too_much:
        entries = ", ".join(profile.entry(f"{name}_transformer") for name in profile.chains)
        raise AuditError(
            f"profile {profile.name}: a server starts with {entries}, {own.beside:.2f} of "
            f"{own.card:.2f} GiB beside the labelling models, {own.alone:.2f} without; choose the "
            "profile of this card"
        )


def to_run(
    known: Mapping[str, Record], cells: Iterable[Cell], plan: Plan, retry_failed: bool
) -> list[Cell]:
    """Return the cells that are still to be filled.

    They are not in the journal, failed where these are tried again, or did not fit a card and fit
    this one.
    """

    def left(cell: Cell) -> bool:
        record = known.get(cell.identity)
        if record is None or (retry_failed and record.status == FAILED):
            return True
        return record.status == NOT_FITTING and plan.where(cell) != NOT_AT_ALL

    return [cell for cell in cells if left(cell)]


def to_label(known: Mapping[str, Record], cells: Iterable[Cell]) -> list[Record]:
    """Return the records whose fills are still to be labelled."""
    records = (known.get(cell.identity) for cell in cells)
    return [record for record in records if record is not None and not record.labelled]


@dataclass(frozen=True)
class Stages:
    """The stages of one run.

    Attributes:
        plan: where what runs.
        journal: open.
        say: takes a line for people.
    """

    plan: Plan
    journal: Journal
    say: Callable[[str], None]

    def run(self, cells: Sequence[Cell], left: Sequence[Cell]) -> None:
        """Run what is left of a matrix's cells, and label what was filled without labels.

        Args:
            cells: of the matrix.
            left: as `to_run` gives them.

        Raises:
            AuditError: a server keeps dying.
            PawfectError: one does not start, or refuses a session.
            OSError: the disk is full.
        """
        places: dict[str, Place] = {}
        beside, alone, others = (
            [cell for cell in left if self.plan.where(cell) == where]
            for where in (BESIDE, ALONE, NOT_AT_ALL)
        )
        for cell in others:
            self._leave_out(cell)
        if beside:
            with self.plan.server(self.plan.profile) as server:
                self._fill(server, beside, {})
        if alone:
            self.say("making labels before the fills ...")
            with self._labelling() as server:
                places = _places(self.plan, server)
            with self.plan.server(without_labelling(self.plan.profile)) as server:
                self._fill(server, alone, places)
        if filled := to_label(self.journal.records, cells):
            self.say(f"labelling {len(filled)} fills ...")
            with self._labelling() as server:
                places = places or _places(self.plan, server)
                for record in filled:
                    self.journal.add(_labelled(self.plan, record, server, places))

    def _labelling(self) -> AuditServer:
        return self.plan.server(only_labelling(self.plan.profile), fills=False)

    def _leave_out(self, cell: Cell) -> None:
        reason = self.plan.placements[cell.setting].reason
        self.journal.add(record_of(cell, NOT_FITTING, reason=reason))
        self.say(line(self.journal.records[cell.identity]))

    def _fill(self, server: AuditServer, cells: Sequence[Cell], places: dict[str, Place]) -> None:
        """Run cells on a server; with places, on one without the labelling models."""
        plan = self.plan
        reasons = {setting: found.reason for setting, found in plan.placements.items()}
        audit = Audit(
            plan.folder,
            plan.deadline_ms,
            plan.sessions,
            server,
            self.journal,
            self.say,
            places=places,
            reasons=reasons,
        )
        self.say("server ready; warming every prompt up ...")
        audit.prepare(cells, plan.prompts)
        for number, cell in enumerate(cells, 1):
            self.say(f"{number}/{len(cells)} {line(audit.run(cell))}")


def _places(plan: Plan, server: AuditServer) -> dict[str, Place]:
    """Return what fills are judged by, with the prompt of the labels."""
    places = {}
    for name, session in plan.sessions.items():
        known = look_at(server, plan.folder, session)
        # As the product does: a caption only where no surface was recognised.
        caption = None if known.around else server.caption(session.photo, known.ring)
        places[name] = replace(known, prompt=build_prompt(known.around, caption))
    return places


def _labelled(
    plan: Plan, record: Record, server: AuditServer, places: Mapping[str, Place]
) -> Record:
    """Return a record with the labels of its picture, as saved, and their score."""
    known = places[record.session]
    with Image.open(plan.folder / record.picture) as picture:
        image = np.array(picture.convert("RGB"))
    inside = server.labels(image, known.hole)
    scores = {**record.scores, **judge_labels(known, inside, plan.profile)}
    return replace(record, scores=scores, labels_inside=shares(inside), labelled=True)


def line(record: Record) -> str:
    """Return a cell as it came out, in one line."""
    head = f"{record.session}: {record.setting}: {record.status}"
    if record.status in (FAILED, NOT_FITTING):
        return f"{head}: {record.reason}"
    loss = f"loss {loss_of(record):.3f}" if record.labelled else "to be labelled"
    tail = f", {record.total_ms / 1000:.2f} s, {loss}"
    return head + tail + (f" ({record.reason})" if record.reason else "")
