"""REPORT of `candidate_search`: every candidate with what it was made of, and why one won."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from pawfect import __version__
from pawfect.contract.report import Fallback, entries_of, known_entries
from pawfect.contract.scores import Judgement

GLOBAL: Final = "global"
LOCAL: Final = "local"
# The engine of a candidate that is the picture as it came.
INIT: Final = "init"
# The engine of a candidate that is a swap and no more; of a search where nothing refines it.
SWAPPED: Final = "swap"
# How a search ended: all candidates were made; none of those to come could win; the deadline came;
# memory did not suffice for one candidate.
ENDS: Final = ("done", "cannot_win", "deadline", "memory")


@dataclass(frozen=True)
class Candidate:
    """One try of a search.

    Attributes:
        number: its place in the search, from 0; the same request gives the same numbers.
        phase: global, or local: a child.
        parent: number of the candidate that it started from; None of the first stage.
        seed: of its noise or its search.
        variation: how it differs from the plain try: undiffused, seed, guidance, prompt, mirrored,
            turned, neighbourhood, renoised, worst_part, refined, boosted; see
            `pawfect.search.tries`.
        settings: what it was made with beside the seed, by name.
        engine: what filled it; init: it is the picture as it came; swap: it is a swap as
            `face_swap` gives it; None where it failed.
        judgements: what each judge says of it.
        scores: by axis, the mean of the judges that count, 0 to 10.
        potential: the weighted mean of those scores, 0 to 10; None where none counts. It is known
            when all candidates are judged: as they come it is that among those judged so far.
        above_floor: whether its local consistency reaches the floor.
        keeps_identity: of a swap, whether its identity reaches the raw swap's, less the margin; one
            that does not never wins, and is not compared.
        ms: milliseconds that making it took.
        error: why there is none.
        fallbacks: what was done without.
    """

    number: int
    phase: str
    seed: int
    variation: str
    parent: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    engine: str | None = None
    judgements: tuple[Judgement, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    potential: float | None = None
    above_floor: bool = True
    keeps_identity: bool = True
    ms: float = 0.0
    error: str | None = None
    fallbacks: tuple[Fallback, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return entries_of(self)

    def to_json(self) -> str:
        """Return it as one JSON object."""
        return json.dumps(self.as_json(), ensure_ascii=False)

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> Candidate:
        """Read what `as_json` gave; entries that only a newer server knows are left out.

        Raises:
            ValueError: a score that is none.
            KeyError: an entry is missing.
            TypeError: an entry is of another type.
        """
        known = known_entries(cls, given)
        known["judgements"] = tuple(map(Judgement.of_json, given.get("judgements", ())))
        known["fallbacks"] = tuple(map(Fallback.of_json, given.get("fallbacks", ())))
        return cls(**known)

    @classmethod
    def from_json(cls, text: str | bytes) -> Candidate:
        """Read what `to_json` wrote; raises as `of_json`."""
        return cls.of_json(json.loads(text))

    def unranked(self) -> Candidate:
        """Return it without what depends on the others."""
        return replace(self, scores={}, potential=None, above_floor=True, keeps_identity=True)


@dataclass(frozen=True)
class SwapReport:
    """What a search by proposer swap says of the faces.

    Attributes:
        box: x0, y0, x1, y1 of the face that was swapped, px of the photo; None: there was none, the
            candidates are edits.
        found: faces in the photo.
        kind: of `pawfect.contract.faces.KINDS`.
        caller: who asked, as the request says.
        margin: how far below the raw swap's the cosine between a candidate's face and the
            reference's may lie for it to win.
        occluders: what was found over the face and taken out of the mask.
        licences: of the networks that find, compare and swap faces, by component.
    """

    box: tuple[float, float, float, float] | None
    found: int
    kind: str
    caller: str | None
    margin: float
    occluders: tuple[str, ...] = ()
    licences: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(replace(self, licences=dict(self.licences)))

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> SwapReport:
        """Read what a report's JSON has; entries that only a newer server knows are left out."""
        known = known_entries(cls, given)
        if known["box"] is not None:
            known["box"] = tuple(known["box"])
        known["occluders"] = tuple(known.get("occluders", ()))
        return cls(**known)


@dataclass(frozen=True)
class SearchReport:
    """The report of one search.

    Attributes:
        best: number of the candidate that won.
        best_potential: its potential; None where no judge counts.
        candidates: all of them, by number.
        ended: done, cannot_win, deadline or memory.
        judges: by axis, the judges that answered for all candidates and count.
        silent: by judge, why it does not count on an axis that it was asked for.
        weights: by axis, as the potential was weighed.
        floor: local consistency under which none was to win.
        planned: candidates of the whole plan.
        known: candidates that came with the request, finished before.
        preset: the request's.
        proposer: the request's.
        engine: what makes candidates, as `pawfect.contract.parameters.ENGINES` has them but for
            auto; swap: swaps that nothing refines.
        engine_reason: why.
        seed: the request's.
        deadline_ms: the request's.
        profile: name of the server's profile.
        width: the photo's, px.
        height: the photo's, px.
        hole_px: pixels that were filled.
        protect_source: as in the report of `inpaint`.
        stage_ms: milliseconds per stage; together never more than `total_ms`.
        total_ms: milliseconds from the request's arrival to its answer.
        calls: requests that were sent to judges elsewhere.
        notes: what a person should know about the result, in words.
        fallbacks: what was missing or failed, and what was done instead.
        weights_used: identity of the weights in use, by model.
        licence: of the weights that candidates were made with; None where there are none.
        swap: of proposer swap, what is said of the faces; else None.
        version: of the package.
    """

    best: int
    best_potential: float | None
    candidates: tuple[Candidate, ...]
    ended: str
    judges: Mapping[str, tuple[str, ...]]
    silent: Mapping[str, str]
    weights: Mapping[str, float]
    floor: float
    planned: int
    known: int
    preset: str
    proposer: str
    engine: str
    engine_reason: str
    seed: int
    deadline_ms: int
    profile: str
    width: int
    height: int
    hole_px: int
    protect_source: str
    stage_ms: Mapping[str, float]
    total_ms: float
    calls: int = 0
    notes: tuple[str, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    weights_used: Mapping[str, str] = field(default_factory=dict)
    licence: str | None = None
    swap: SwapReport | None = None
    version: str = __version__

    @property
    def winner(self) -> Candidate:
        """The candidate that won."""
        return {one.number: one for one in self.candidates}[self.best]

    @property
    def complete(self) -> bool:
        """Whether another run of the same request would find no more."""
        return self.ended in ("done", "cannot_win")

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        # A table that nobody can change, such as a plan's weights, is none that `asdict` copies.
        mappings = {name: it for name, it in vars(self).items() if isinstance(it, Mapping)}
        tables: dict[str, Any] = {name: dict(it) for name, it in mappings.items()}
        entries = asdict(replace(self, candidates=(), fallbacks=(), swap=None, **tables))
        entries["swap"] = None if self.swap is None else self.swap.as_json()
        entries["candidates"] = [one.as_json() for one in self.candidates]
        entries["fallbacks"] = [one.as_json() for one in self.fallbacks]
        return json.dumps(entries, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> SearchReport:
        """Read what `to_json` wrote; entries that only a newer server knows are left out."""
        given: dict[str, Any] = json.loads(text)
        known = known_entries(cls, given)
        known["candidates"] = tuple(map(Candidate.of_json, given["candidates"]))
        known["judges"] = {axis: tuple(names) for axis, names in given["judges"].items()}
        known["notes"] = tuple(given["notes"])
        known["fallbacks"] = tuple(map(Fallback.of_json, given["fallbacks"]))
        if known.get("swap") is not None:
            known["swap"] = SwapReport.of_json(known["swap"])
        return cls(**known)
