"""What came of each variant, from the documents of its jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from pawfect.contract.errors import ErrorKind
from pawfect.contract.numbers import is_number
from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.fields import RATINGS
from pawfect_service.jobs.kinds.request import variant_of
from pawfect_service.strict import lenient_json
from pawfect_service.variants.file import DEFAULT, OWN_CHOICE, Variants
from pawfect_service.variants.intervals import Estimate, mean_rating, share_of

_MEMORY: Final = ErrorKind.OUT_OF_MEMORY.name
_WRONG: Final = ErrorKind.INVALID_ARG.name


@dataclass(frozen=True)
class Figures:
    """What came of one variant's jobs.

    Attributes:
        variant: its name, or DEFAULT or OWN_CHOICE.
        share: per cent of users that it has now; None where the file does not say.
        staging: whether the staging audience has it now.
        answers: jobs that were completed or failed; cancelled ones say nothing, nor do those whose
            request itself was wrong, such as a broken photo.
        ratings: how many of them were rated.
        rating: their mean, 1 to 5.
        failed: share of the answers that are failures.
        out_of_memory: share of the answers for which memory was short, where another way was found
            too.
        seconds_p50: of the service, that half of the completed jobs took at most; None: no job.
        seconds_p95: that 95 in 100 took at most.
        sharpness: mean of the reports' edge sharpness; None where no report has one.
    """

    variant: str
    share: float | None
    staging: bool
    answers: int
    ratings: int
    rating: Estimate | None
    failed: Estimate | None
    out_of_memory: Estimate | None
    seconds_p50: float | None
    seconds_p95: float | None
    sharpness: float | None


@dataclass
class _Gathered:
    """The answers of one variant, as they come."""

    answers: int = 0
    failed: int = 0
    out_of_memory: int = 0
    ratings: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)

    def add(self, document: Document) -> None:
        """Count a job; a field that somebody has edited into something else is left out."""
        status = document.get("processingStatus")
        if status not in ("completed", "failed"):
            return
        if status == "failed" and _get(document, "error", "kind") == _WRONG:
            return
        self.answers += 1
        report = lenient_json(document.get("report")) or {}
        self.failed += status == "failed"
        self.out_of_memory += _Gathered._memory_was_short(document, report)
        rating = _get(document, "jobFeedback", "rating")
        if type(rating) is int and RATINGS[0] <= rating <= RATINGS[1]:
            self.ratings.append(rating)
        if status == "completed":
            self.seconds += _number(_get(document, "cost", "seconds"))
        self.sharpness += _number(report.get("sharpness"))

    @staticmethod
    def _memory_was_short(document: Document, report: Mapping[str, Any]) -> bool:
        fallbacks = report.get("fallbacks")
        kinds = [_get(each, "kind") for each in fallbacks] if isinstance(fallbacks, list) else []
        return _MEMORY in (*kinds, _get(document, "error", "kind"))


def figures_of(
    documents: Iterable[Document],
    variants: Variants | None,
    kind: str,
    began: Mapping[str, float] = MappingProxyType({}),
) -> list[Figures]:
    """Return what came of each variant of a kind, those of the file first, in its order.

    Args:
        documents: of jobs of the kind.
        variants: what the file says now, or None.
        kind: of the jobs.
        began: since when a variant's jobs count, by its name, epoch seconds by `queuedAt`; all of
            them where nothing is said.
    """
    known = variants.of_kind(kind) if variants else ()
    gathered = {name: _Gathered() for name in (*(each.name for each in known), DEFAULT)}
    for document in documents:
        name = variant_of(document)
        if name is not None and _is_of_now(document, began.get(name)):
            gathered.setdefault(name, _Gathered()).add(document)
    if OWN_CHOICE in gathered:
        gathered[OWN_CHOICE] = gathered.pop(OWN_CHOICE)
    shares: dict[str, float] = {each.name: each.share for each in known}
    if variants:
        shares[DEFAULT] = max(100.0 - sum(shares.values()), 0.0)
    staged = {each.name for each in known if each.staging}
    return [
        _figures(name, found, shares.get(name), staging=name in staged)
        for name, found in gathered.items()
    ]


def _figures(name: str, found: _Gathered, share: float | None, *, staging: bool) -> Figures:
    p50, p95 = np.percentile(found.seconds, (50, 95)) if found.seconds else (None, None)
    return Figures(
        variant=name,
        share=share,
        staging=staging,
        answers=found.answers,
        ratings=len(found.ratings),
        rating=mean_rating(found.ratings),
        failed=share_of(found.failed, found.answers),
        out_of_memory=share_of(found.out_of_memory, found.answers),
        seconds_p50=None if p50 is None else float(p50),
        seconds_p95=None if p95 is None else float(p95),
        sharpness=float(np.mean(found.sharpness)) if found.sharpness else None,
    )


def _is_of_now(document: Document, began: float | None) -> bool:
    return began is None or any(at >= began for at in _number(document.get("queuedAt")))


def _get(value: Any, *names: str) -> Any:
    """Return what lies under names, one in the other; None where something is no mapping."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> list[float]:
    """Return a list of a finite number; an empty one for anything else."""
    return [float(value)] if is_number(value) else []
