"""What a job may cost at judges and engines elsewhere, before it runs, and what it did cost.

Money is counted in millionths of a USD, as integers, so that sums are exact.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pawfect.contract.parameters import Scalar
from pawfect.contract.tensors import REMOTE_JUDGES
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.kinds import REFINE, SEARCHES, Kind
from pawfect_service.strict import lenient_json

MILLIONTHS: Final = 10**6
# What stands for the remote engine among those that are paid.
EDIT: Final = "edit"
# Requests that one judgement takes at most, repeats included: Gemini's one question, Moondream's
# six (with a reference), each asked again twice.
MOST_CALLS: Final[Mapping[str, int]] = MappingProxyType({"gemini": 3, "moondream": 18})


@dataclass(frozen=True)
class Prices:
    """The most that one request costs, USD.

    Those of the judges are of the dearest model that the server asks of itself, see
    docs/judges.md. What a picture costs at the remote engine is not known to the server: 0.25 is
    what OpenAI listed for the dearest standard picture of gpt-image-1 (1536x1024, high).

    Attributes:
        gemini: of `score_gemini`.
        moondream: of `score_moondream`.
        edit: of the engine that edits pictures elsewhere.
    """

    gemini: float = 0.023
    moondream: float = 0.001
    edit: float = 0.25

    def of(self, name: str) -> int:
        """Return what one request costs at most, millionths of a USD.

        Args:
            name: a judge, or `EDIT`.
        """
        return round(float(getattr(self, name)) * MILLIONTHS)

    def judgement(self, judge: str) -> int:
        """Return what judging one candidate costs at most, millionths of a USD."""
        return MOST_CALLS[judge] * self.of(judge)


def asks_elsewhere(kind: Kind, parameters: Mapping[str, Scalar]) -> tuple[str, ...]:
    """Return whom a job may ask that is paid: judges, or `EDIT`; none where it stays here."""
    if parameters.get("remote") is not True:
        return ()
    if kind in SEARCHES:
        return tuple(REMOTE_JUDGES)
    return (EDIT,) if kind is REFINE else ()


def possible_cost(asked: Any, paid: Collection[str], prices: Prices) -> int:
    """Return what one start of a job costs at most, millionths of a USD.

    Args:
        asked: the kind's own parameters; of a search with the candidates of the whole plan.
        paid: whom it may ask.
        prices: of them.
    """
    edits = prices.of(EDIT) if EDIT in paid else 0
    judged = sum(prices.judgement(judge) for judge in paid if judge != EDIT)
    return edits + judged * int(getattr(asked, "planned", 0))


def cost_of_starts(
    session: SessionDocument, paid: Collection[str], usd: int, prices: Prices
) -> int:
    """Return what a job has cost at most so far, millionths of a USD.

    Each start may have asked all that it could: what a worker that died had asked, nobody knows.
    The one whose report there is has asked what that says; a judge without a judgement may have
    been asked, and charged, in vain.

    Args:
        session: the job as it stands.
        paid: whom it may ask.
        usd: what one start costs at most.
        prices: of them.
    """
    starts = session.counts.starts
    if session.report is None or session.result is None:
        return starts * usd
    return (starts - 1) * usd + min(_reported(session.report, paid, prices), usd)


def _reported(report: str, paid: Collection[str], prices: Prices) -> int:
    told = lenient_json(report) or {}
    usd = 0
    if EDIT in paid and told.get("remote") is not None:
        usd += prices.of(EDIT)
    entries = told.get("candidates")
    for one in entries if isinstance(entries, list) else ():
        calls = _calls(one)
        for judge in paid:
            if judge != EDIT:
                known = calls.get(judge)
                usd += prices.judgement(judge) if known is None else known * prices.of(judge)
    return usd


def _calls(candidate: Any) -> dict[str, int]:
    """Return how many requests each judgement of a candidate took, by judge."""
    said = candidate.get("judgements") if isinstance(candidate, Mapping) else None
    return {
        str(one.get("judge")): one["calls"]
        for one in (said if isinstance(said, list) else ())
        if isinstance(one, Mapping) and type(one.get("calls")) is int and one["calls"] >= 0
    }
