"""What `candidate_search` takes beside its pictures: parameters, presets, and the plan of a search.

search_plan           parameters with what a preset says of what they leave open
check_reference       whether a request brings the picture that its proposer needs
check_mask            whether it says what is to be filled, where its proposer does not find it
check_swap_consent    whether a swap says that everybody whose face is seen or shown has consented
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final

from pawfect.contract.errors import invalid
from pawfect.contract.faces import BOOST, CALLER, check_consent
from pawfect.contract.parameters import (
    ENGINES,
    MAX_DEADLINE_MS,
    MAX_SPECK_PX,
    MAX_STEPS,
    PROTECTS,
    Parameters,
)
from pawfect.contract.scores import AXES, BEST, CONSISTENCY, IDENTITY, REALISM
from pawfect.contract.tables import Rule, between, one_of

# What makes a candidate: a fill of what the mask covers, or an edit of it that puts the character
# of REFERENCE there.
INPAINT: Final = "inpaint"
EDIT: Final = "edit"
# Or a swap of one face for that of REFERENCE, refined by a model that edits where there is one.
SWAP: Final = "swap"
PROPOSERS: Final = (INPAINT, EDIT, SWAP)
# Engines that edit by pictures and an instruction, in the order in which `auto` takes them.
EDITORS: Final = ("edit", "klein")
# Whose hair an edit shows: the picture's own, or the character's.
HAIR: Final = ("keep", "character")
# Denoising steps of an edit by presets, where a request names none and the model is not distilled
# to fewer: those of the published search pipeline.
EDIT_STEPS: Final[Mapping[str, int]] = MappingProxyType({"eacps": 50})
# Longest name of a character: it stands in an instruction of some 60 words.
MAX_NAME: Final = 80
# Most candidates of one stage: beyond what any deadline allows.
MAX_CANDIDATES: Final = 64
MAX_CHILDREN: Final = 16
MAX_WEIGHT: Final = 100.0


@dataclass(frozen=True)
class Preset:
    """What a preset says of what a request leaves open; see `SearchParams`."""

    k_global: int
    m_global: int
    k_local: int
    consistency: float
    realism: float
    identity: float


# The two that the published pipelines use. `photoreal` makes 8 + 3 x 4 candidates.
PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "eacps": Preset(4, 2, 2, consistency=1.0, realism=1.0, identity=2.0),
        "photoreal": Preset(8, 3, 4, consistency=1.0, realism=4.0, identity=1.5),
    }
)
# Local consistency under which no candidate wins, as long as one is above it: half of what the
# scale has. Of 10, see `pawfect.scores.local`.
FLOOR: Final = 4.0
# Of a swap: how far below the raw swap's the cosine between a candidate's face and the reference's
# may lie for it to win. insightface 2.1 takes as much (0.05) below its threshold as undecided; what
# ArcFace's own noise between two refinements of one face is, nobody has measured.
MARGIN: Final = 0.05
_NAME: Final = Rule(
    lambda text: len(text) <= MAX_NAME and text.isprintable() and text == text.strip(),
    f"1 to {MAX_NAME} printable characters without space around them",
)


@dataclass(frozen=True)
class SearchParams(Parameters):
    """Parameters of `candidate_search`; None leaves the choice to the preset or to the server.

    Attributes:
        proposer: what makes a candidate. inpaint: a fill of what MASK covers; edit: the character
            of REFERENCE, which it needs, in the place of the one that MASK covers; swap: the face
            of REFERENCE in the place of the one nearest to MASK, or of the first without MASK.
        consent: whether everybody whose face is seen or shown has consented; without it nothing is
            swapped (swap).
        caller: who asks, for the server's log, at most 128 characters (swap).
        pixel_boost: side of the swapped face, px: 128, 256 or 512 (swap).
        character: the character's name, at most 80 characters (edit).
        hair: keep: the picture's own; character: the character's (edit).
        preset: eacps (4, then 2 children of each of the best 2; consistency, realism, identity
            weigh 1, 1, 2) or photoreal (8, then 4 of each of the best 3; 1, 4, 1.5).
        k_global: candidates of the first stage, the undiffused among them, 1 to 64.
        m_global: how many of the best of them have children, 0 to k_global.
        k_local: children of each, 0 to 16.
        consistency: its weight in the potential, 0 to 100.
        realism: its weight.
        identity: its weight.
        floor: local consistency under which no candidate wins where another is above it, 0 to 10.
        remote: whether the pictures may leave the server for the judges elsewhere; without it only
            `score_local` judges.
        judge_ms: what each of those judges has for one candidate, 1 to 600,000 ms.
        at_once: most candidates that are made at a time, 1 to 64.
        engine: as for `inpaint`; of proposers edit and swap: auto (edit, else klein), edit or
            klein.
        steps: denoising steps, 1 to 100; of proposer edit by Qwen-Image-Edit in preset eacps 50, of
            proposer swap 12.
        guidance_scale: 0 to 100 (flux, edit); some candidates vary it.
        seed: 0 to 2**63 - 1; the same request gives the same candidates.
        deadline_ms: 1 to 600,000 ms from the request's arrival to its answer; what is found by then
            is the answer.
        dilate_px: as for `inpaint`.
        least_speck_px: as for `inpaint`.
        fill_outlines: as for `inpaint`.
        window_px: as for `inpaint`.
        protect: as for `inpaint`; of proposers edit and swap auto finds nothing: the subject is
            what they change.
    """

    proposer: Annotated[str, one_of(*PROPOSERS)] = INPAINT
    consent: bool = False
    caller: Annotated[str, CALLER] | None = None
    pixel_boost: Annotated[int, BOOST] = 256
    character: Annotated[str, _NAME] | None = None
    hair: Annotated[str, one_of(*HAIR)] = "keep"
    preset: Annotated[str, one_of(*PRESETS)] = "eacps"
    k_global: Annotated[int, between(1, MAX_CANDIDATES)] | None = None
    m_global: Annotated[int, between(0, MAX_CANDIDATES)] | None = None
    k_local: Annotated[int, between(0, MAX_CHILDREN)] | None = None
    consistency: Annotated[float, between(0.0, MAX_WEIGHT)] | None = None
    realism: Annotated[float, between(0.0, MAX_WEIGHT)] | None = None
    identity: Annotated[float, between(0.0, MAX_WEIGHT)] | None = None
    floor: Annotated[float, between(0.0, BEST)] = FLOOR
    remote: bool = False
    judge_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 30_000
    at_once: Annotated[int, between(1, MAX_CANDIDATES)] | None = None
    engine: Annotated[str, one_of(*ENGINES)] = "auto"
    steps: Annotated[int, between(1, MAX_STEPS)] | None = None
    guidance_scale: Annotated[float, between(0.0, 100.0)] | None = None
    seed: Annotated[int, between(0, 2**63 - 1)] = 0
    deadline_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 120_000
    dilate_px: Annotated[int, between(0, 64)] | None = None
    least_speck_px: Annotated[int, between(0, MAX_SPECK_PX)] | None = None
    fill_outlines: bool = False
    window_px: Annotated[int, between(256, 2048)] | None = None
    protect: Annotated[str, one_of(*PROTECTS)] = "auto"


@dataclass(frozen=True)
class SearchPlan:
    """How many candidates a search makes, and what counts.

    Attributes:
        k_global: candidates of the first stage.
        m_global: how many of them have children.
        k_local: children of each.
        weights: by axis of `pawfect.contract.scores.AXES`; together above 0.
        floor: local consistency under which no candidate wins, 0 to 10.
        unedited: whether the first candidate is the picture as it came, which the others are
            compared with; see `pawfect.search.potential.rank`.
        margin: how far below the first candidate's the cosine between a candidate's face and the
            reference's may lie for it to win; None: the first one's binds nobody.
    """

    k_global: int
    m_global: int
    k_local: int
    weights: Mapping[str, float]
    floor: float
    unedited: bool = False
    margin: float | None = None

    @property
    def total(self) -> int:
        """Candidates of a search that goes to its end."""
        return self.k_global + self.m_global * self.k_local


def search_plan(params: SearchParams) -> SearchPlan:
    """Return the plan of a request.

    Raises:
        PawfectError: INVALID_ARG where more candidates are to have children than there are, no axis
            has a weight, an edit or a swap's refinement is asked of an engine that cannot, or an
            edit of one candidate, which is the picture as it came.
    """
    preset, edits = PRESETS[params.preset], params.proposer == EDIT
    swaps = params.proposer == SWAP

    def chosen(name: str) -> float:
        given = getattr(params, name)
        return float(getattr(preset, name) if given is None else given)

    if (edits or swaps) and params.engine not in ("auto", *EDITORS):
        expected = f"auto, {' or '.join(EDITORS)} with proposer={params.proposer}"
        raise invalid("engine", expected, params.engine)
    k_global, k_local = int(chosen("k_global")), int(chosen("k_local"))
    if edits and k_global == 1:
        raise invalid("k_global", f"at least 2 with proposer={EDIT}: 1 is the picture itself", 1)
    # What a preset says gives way to fewer candidates that were asked for; a wish does not.
    m_global = params.m_global
    if m_global is None:
        m_global = min(preset.m_global, k_global)
    if m_global > k_global:
        raise invalid("m_global", f"at most k_global, {k_global}", m_global)
    weights = {axis: chosen(axis) for axis in AXES}
    if not weights[CONSISTENCY] + weights[REALISM] + weights[IDENTITY]:
        raise invalid("consistency, realism, identity", "a weight above 0", "0 for all")
    if not k_local:
        m_global = 0
    frozen = MappingProxyType(weights)
    margin = MARGIN if swaps else None
    return SearchPlan(k_global, m_global, k_local, frozen, params.floor, edits, margin)


def check_reference(params: SearchParams, given: bool, name: str = "REFERENCE") -> None:
    """Raise INVALID_ARG where the proposer needs the character's picture and there is none.

    Args:
        params: the request's.
        given: whether there is one.
        name: what messages call it.
    """
    if params.proposer in (EDIT, SWAP) and not given:
        raise invalid(name, f"the character's picture with proposer={params.proposer}", "none")


def check_mask(params: SearchParams, given: bool, name: str = "MASK") -> None:
    """Raise INVALID_ARG where there is no mask and the proposer does not find the face by itself.

    Args:
        params: the request's.
        given: whether there is one.
        name: what messages call it.
    """
    if params.proposer != SWAP and not given:
        raise invalid(name, f"a mask with proposer={params.proposer}", "none")


def check_swap_consent(params: SearchParams) -> None:
    """Raise INVALID_ARG where a face is to be swapped without consent."""
    if params.proposer == SWAP:
        check_consent(params.consent)
