"""People's blind choices between two candidates of a search, as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pawfect_service.jobs.comparing import preferred, ranks_of
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.kinds import SEARCHES
from pawfect_service.variants.agreement import Agreement, agreement_of

_CAMEL = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Compared(BaseModel):
    """Two candidates that somebody compared without seeing numbers and scores."""

    model_config = _CAMEL

    left: int
    right: int
    choice: Literal["left", "right", "none"]
    preferred: Literal["left", "right", "none"] | None = Field(
        description="By the search: the floor first, then the potential; null: it cannot say."
    )


class AgreementState(BaseModel):
    """How often the choices are the search's own; where either sees no difference is left out."""

    model_config = _CAMEL

    compared: int = Field(description="Pairs that were compared.")
    decided: int = Field(description="Those in which both prefer one.")
    agreed: int = Field(description="Those in which that is the same one.")
    share: float | None = Field(description="agreed / decided; null: nothing is decided.")
    low: float | None = Field(description="Lower end of Wilson's interval of 95 %.")
    high: float | None = Field(description="Its upper end.")


class ComparisonsReport(BaseModel):
    """What came of the comparisons of a run."""

    versions: dict[int, AgreementState] = Field(description="Of each search.")
    run: AgreementState


class ComparisonAnswer(BaseModel):
    """What is told once somebody has chosen."""

    comparison: Compared
    version: AgreementState = Field(description="Of this search.")
    run: AgreementState = Field(description="Of all searches of the run.")


def agreement_state(found: Agreement) -> AgreementState:
    """Return an agreement as the API shows it."""
    share = found.share
    return AgreementState(
        compared=found.compared,
        decided=found.decided,
        agreed=found.agreed,
        share=None if share is None else share.value,
        low=None if share is None else share.low,
        high=None if share is None else share.high,
    )


def compared(session: SessionDocument) -> list[Compared]:
    """Return the comparisons of a search's candidates, oldest first."""
    if not session.job_comparisons:
        return []
    ranks = ranks_of(session.report)
    return [
        Compared(
            left=one.left,
            right=one.right,
            choice=one.choice,
            preferred=preferred(ranks, one.left, one.right),
        )
        for one in session.job_comparisons
    ]


def agreement_of_version(session: SessionDocument) -> AgreementState | None:
    """Return a search's agreement; None of another kind of job, and of what nobody compared."""
    if session.kind not in SEARCHES or not session.job_comparisons:
        return None
    return agreement_state(agreement_of(session.report, session.job_comparisons))


def comparisons_report(jobs: Mapping[int, SessionDocument]) -> ComparisonsReport:
    """Return what came of the comparisons of a run.

    Args:
        jobs: its jobs by the version that each makes.
    """
    whole, versions = Agreement(), {}
    for version, session in jobs.items():
        if session.kind not in SEARCHES:
            continue
        found = agreement_of(session.report, session.job_comparisons)
        versions[version] = agreement_state(found)
        whole = whole.plus(found)
    return ComparisonsReport(versions=versions, run=agreement_state(whole))
