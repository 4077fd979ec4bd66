"""REPORT of `refine`: everything that is needed to repeat or to explain one repair."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pawfect import __version__
from pawfect.contract.refine import Bbox
from pawfect.contract.report import Fallback, Report, entries_of, known_entries


@dataclass(frozen=True)
class CorrectionReport:
    """How one text was set.

    Attributes:
        bbox: the correction's, px.
        text: what was to stand there.
        old_text: what was read there before; None where nothing was.
        read: what was read there afterwards; None where nothing was.
        exact: whether that is the text.
        font: the font that it was set in; empty where no letters were set.
        size_px: height of its capital letters, px; 0 where no letters were set.
        tries: how often it was set until it could be read, or for want of a better one.
        likeness: of that font to the old letters, up to 1; None where there were none.
        reused: its letters that were cut out of the old text.
        fits: whether it fits its place; where not, its letters are smaller than the old ones, too
            small to be read, or none were set, as the note says.
        note: what could not be done as it was asked for, in words.
    """

    bbox: Bbox
    text: str
    old_text: str | None
    read: str | None
    exact: bool
    font: str
    size_px: float
    tries: int
    likeness: float | None = None
    reused: str = ""
    fits: bool = True
    note: str | None = None


@dataclass(frozen=True)
class RegionReport:
    """How one region was filled.

    Attributes:
        bbox: x, y, width, height round what it marks, px.
        mask: its place in MASKS; None where a box marked it.
        prompt: what was to be there.
        prompt_used: whether the engine that filled it reads a prompt.
        inpaint: the report of its inpainting.
    """

    bbox: Bbox
    mask: int | None
    prompt: str | None
    prompt_used: bool
    inpaint: Report


@dataclass(frozen=True)
class RemoteReport:
    """How a remote engine answered.

    Attributes:
        model: its name there.
        sent_px: width and height of the picture that left this machine.
        answered_px: width and height of the picture that came back.
        scaled: whether that had to be scaled to the photo's size.
        ms: milliseconds that the answer took.
        left_today: requests that the budget still allows this day, of this process.
    """

    model: str
    sent_px: tuple[int, int]
    answered_px: tuple[int, int]
    scaled: bool
    ms: float
    left_today: int


@dataclass(frozen=True)
class EditReport:
    """How an edit model of the profile drew.

    Attributes:
        licence: of its weights; None where the server does not know.
        working_px: width and height at which it drew.
        steps: denoising steps of the planned schedule.
        steps_taken: of them: fewer with `strength` under 1, and where the run would have been late.
        strength: under 1 it started from the photo, with noise to that part of the schedule.
        guidance_scale: of all steps; None where the model is not guided.
        quality: place of the plan in the order of quality classes; 0 is the best.
        expected_ms: what the plan was expected to take from arrival to answer; None where the
            card's costs are not known.
        predicted_ms: the same as it was predicted after the first step.
    """

    licence: str | None
    working_px: tuple[int, int]
    steps: int
    steps_taken: int
    strength: float
    guidance_scale: float | None = None
    quality: int | None = None
    expected_ms: float | None = None
    predicted_ms: float | None = None


@dataclass(frozen=True)
class ChangeReport:
    """Where a picture that may change all over changed.

    Attributes:
        share: of its pixels, those that changed so that it can be seen, 0 to 1.
        cells: by row and column of a coarse grid over the picture, how far the colours of each
            cell moved on average, in CIELAB's units: 2 can just be seen, 100 is from black to
            white. An engine that draws all of it anew moves each pixel a little.
    """

    share: float
    cells: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class RefineReport:
    """The report of one request of `refine`.

    Attributes:
        type: subject, text, region or general.
        payload: the request's, as JSON has it.
        engine: what made the repair: lettering, inpaint, remote, or an edit model of the profile:
            klein or edit.
        creativity: the request's, 1 to 3.
        seed: the request's.
        deadline_ms: the request's.
        profile: name of the server's profile.
        width: the photo's, px.
        height: the photo's, px.
        changed_px: pixels that differ from the photo.
        stage_ms: milliseconds per stage, in the order in which they began.
        total_ms: milliseconds from the request's arrival to its answer.
        corrections: of `text`: how each was set.
        regions: of `region`: how each was filled, in that order.
        remote: of a repair by a remote engine.
        edit: of a repair by an edit model of the profile.
        changes: of `subject` and `general` without MASKS: where the picture changed.
        notes: what a person should know about the result, in words.
        fallbacks: what was missing or failed, and what was done instead.
        weights: identity of the weights in use, by model.
        version: of the package.
    """

    type: str
    payload: Mapping[str, Any]
    engine: str
    creativity: int
    seed: int
    deadline_ms: int
    profile: str
    width: int
    height: int
    changed_px: int
    stage_ms: Mapping[str, float]
    total_ms: float
    corrections: tuple[CorrectionReport, ...] = ()
    regions: tuple[RegionReport, ...] = ()
    remote: RemoteReport | None = None
    edit: EditReport | None = None
    changes: ChangeReport | None = None
    notes: tuple[str, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    version: str = __version__

    @property
    def drawn_by(self) -> str:
        """The engine that says what kind of change this is: of several fills a network's."""
        engines = {region.inpaint.engine for region in self.regions} or {self.engine}
        return min(engines, key=lambda engine: (engine == "patch", engine))

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        regions = [
            asdict(region) | {"inpaint": entries_of(region.inpaint)} for region in self.regions
        ]
        return json.dumps(entries_of(self) | {"regions": regions}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> RefineReport:
        """Read what `to_json` wrote; entries that only a newer server knows are left out."""
        given: dict[str, Any] = json.loads(text)
        known = known_entries(cls, given)
        known["corrections"] = tuple(map(_correction, given["corrections"]))
        known["regions"] = tuple(map(_region, given["regions"]))
        known["remote"] = None if given["remote"] is None else _remote(given["remote"])
        known["edit"] = None if given.get("edit") is None else _edit(given["edit"])
        known["changes"] = None if given.get("changes") is None else _changes(given["changes"])
        known["notes"] = tuple(given["notes"])
        known["fallbacks"] = tuple(map(Fallback.of_json, given["fallbacks"]))
        return cls(**known)


def _correction(given: Mapping[str, Any]) -> CorrectionReport:
    known = known_entries(CorrectionReport, given)
    return CorrectionReport(**known | {"bbox": tuple(given["bbox"])})


def _region(given: Mapping[str, Any]) -> RegionReport:
    known = known_entries(RegionReport, given)
    inpaint = Report.of_json(given["inpaint"])
    return RegionReport(**known | {"bbox": tuple(given["bbox"]), "inpaint": inpaint})


def _remote(given: Mapping[str, Any]) -> RemoteReport:
    known = known_entries(RemoteReport, given)
    sizes = {name: tuple(given[name]) for name in ("sent_px", "answered_px")}
    return RemoteReport(**known | sizes)


def _edit(given: Mapping[str, Any]) -> EditReport:
    known = known_entries(EditReport, given)
    return EditReport(**known | {"working_px": tuple(given["working_px"])})


def _changes(given: Mapping[str, Any]) -> ChangeReport:
    return ChangeReport(given["share"], tuple(map(tuple, given["cells"])))
