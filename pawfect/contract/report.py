"""REPORT: everything that is needed to repeat or to explain one result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pawfect import __version__
from pawfect.contract.errors import ErrorKind


@dataclass(frozen=True)
class WindowReport:
    """How one window was filled.

    Attributes:
        box: (x0, y0, x1, y1) of the window in the photo, px.
        holes: (x0, y0, x1, y1) of the holes it fills, px.
        working_px: longest side at which it was filled, px.
        method: how the engine filled it.
        seed: of the noise; None for the patch engine.
    """

    box: tuple[int, int, int, int]
    holes: tuple[int, int, int, int]
    working_px: int
    method: str
    seed: int | None = None


@dataclass(frozen=True)
class Fallback:
    """Something that was missing or failed, and what was done instead.

    Attributes:
        stage: where.
        reason: in words.
        instead: what was done.
        kind: of the error that it was, where it was one.
    """

    stage: str
    reason: str
    instead: str
    kind: ErrorKind | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as it stands in the report."""
        kind = None if self.kind is None else self.kind.name
        return asdict(self) | {"kind": kind}

    @classmethod
    def of_json(cls, entry: Mapping[str, Any]) -> Fallback:
        """Read what `as_json` gave; older servers named no kind, newer ones may know others."""
        kind = ErrorKind.__members__.get(entry.get("kind") or "")
        return cls(entry["stage"], entry["reason"], entry["instead"], kind)


def known_entries(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those entries of a report in JSON that a dataclass has; a newer server has others."""
    return {one.name: given[one.name] for one in fields(kind) if one.name in given}


def with_fallbacks(report: Any) -> str:
    """Return a report, a dataclass with `fallbacks`, as one JSON object."""
    return json.dumps(entries_of(report), ensure_ascii=False)


def entries_of(report: Any) -> dict[str, Any]:
    """Return a report, a dataclass with `fallbacks`, as what JSON can hold."""
    return asdict(report) | {"fallbacks": [fallback.as_json() for fallback in report.fallbacks]}


@dataclass(frozen=True)
class MaskChanges:
    """What cleaning did to a mask; the same fields of `Report`.

    Attributes:
        dilate_px: how far the mask grew at most, px.
        least_dilate_px: how far its thinnest strokes did, px.
        specks: components that were dropped.
        least_speck_px: those of fewer px2 were.
        pinholes: gaps that were closed.
        outlines: areas, not filled, whose strokes look like an outline drawn round them.
        outlines_filled: enclosed areas that were filled.
    """

    dilate_px: float
    least_dilate_px: float
    specks: int
    least_speck_px: int
    pinholes: int
    outlines: int
    outlines_filled: int


@dataclass(frozen=True)
class Report:
    """The report of one request.

    Attributes:
        engine: what filled, of `pawfect.contract.parameters.ENGINES`.
        engine_reason: why this engine.
        licence: of the weights that it filled with; None where it has none or the server does not
            know.
        profile: name of the server's profile.
        version: version of the package.
        seed: the request's.
        deadline_ms: the request's.
        width: the photo's, px.
        height: the photo's, px.
        hole_px: pixels that were filled.
        dilate_px: how far the mask grew at most, px.
        specks: components of the mask that were dropped.
        pinholes: gaps of the mask that were closed.
        labels: surfaces around the hole, best first.
        labels_source: where they came from: request, sam3, florence2 or none.
        prompt: the text that the model was given; None where none was needed.
        prompt_source: where it came from: prompt (the request's own), labels, caption or none.
        prompt_cut: tokens of it over the model's limit, which were left out.
        check: what the check of a denoised fill said; None where there was none.
        steps: denoising steps of the planned schedule; None where FLUX made no fill that was
            checked.
        steps_taken: fewest that a canvas took of them: fewer with `strength` under 1, and where
            the run would have been late.
        guidance_scale: of all steps.
        quality: place of the plan in the order of quality classes; 0 is the best.
        expected_ms: what the plan was expected to take from arrival to answer; None where the
            card's costs are not known.
        predicted_ms: the same as it was predicted after the first step.
        strength: the request's.
        windows: how each window was filled.
        stage_ms: milliseconds per stage, in the order in which they began. Where stages ran at
            once, each has an equal share of that time: their sum is never more than `total_ms`.
        total_ms: milliseconds from the request's arrival to its answer.
        fallbacks: what was missing or failed.
        weights: identity of the weights in use, by model.
        protect_source: where what was protected came from: request, the network that found it, or
            none.
        protect_reason: why that was protected, or why nothing was.
        protect_confidence: how sure the network is of its subject, 0 to 1; None: none was asked.
        protected_share: share of the photo that was protected, 0 to 1.
        least_dilate_px: how far the mask's thinnest strokes grew, px; None where an older server
            does not say.
        least_speck_px: components of the mask of fewer px2 were dropped.
        outlines: areas, not filled, whose strokes look like an outline drawn round them.
        outlines_filled: enclosed areas that were filled.
        mask_note: of `inpaint_file`: how the mask's file was read, where that had to be found out.
        lost: of `inpaint_file`: what of the photo the result's format cannot hold.
    """

    engine: str
    engine_reason: str
    profile: str
    seed: int
    deadline_ms: int
    width: int
    height: int
    hole_px: int
    dilate_px: float
    specks: int
    pinholes: int
    labels: tuple[str, ...]
    labels_source: str
    strength: float
    windows: tuple[WindowReport, ...]
    stage_ms: Mapping[str, float]
    total_ms: float
    prompt: str | None = None
    prompt_source: str | None = None
    prompt_cut: int = 0
    check: str | None = None
    steps: int | None = None
    steps_taken: int | None = None
    quality: int | None = None
    expected_ms: float | None = None
    predicted_ms: float | None = None
    guidance_scale: float | None = None
    licence: str | None = None
    fallbacks: tuple[Fallback, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    protect_source: str = "none"
    protect_reason: str | None = None
    protect_confidence: float | None = None
    protected_share: float = 0.0
    least_dilate_px: float | None = None
    least_speck_px: int = 0
    outlines: int = 0
    outlines_filled: int = 0
    mask_note: str | None = None
    lost: tuple[str, ...] = ()
    version: str = __version__

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return with_fallbacks(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """Read what `to_json` wrote; entries that only a newer server knows are left out."""
        return cls.of_json(json.loads(text))

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> Report:
        """Read a report that stands within another's JSON."""
        known = known_entries(cls, given)
        known["windows"] = tuple(
            WindowReport(
                tuple(w["box"]), tuple(w["holes"]), w["working_px"], w["method"], w.get("seed")
            )
            for w in given["windows"]
        )
        known["fallbacks"] = tuple(map(Fallback.of_json, given["fallbacks"]))
        known["labels"] = tuple(given["labels"])
        known["lost"] = tuple(given.get("lost", ()))
        return cls(**known)
