"""How often people who saw two candidates blind chose the one that the search prefers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pawfect_service.jobs.comparing import NEITHER, preferred, ranks_of
from pawfect_service.jobs.fields import Comparison
from pawfect_service.variants.intervals import Estimate, share_of


@dataclass(frozen=True)
class Agreement:
    """Choices counted.

    Attributes:
        compared: pairs that were compared.
        decided: of those, in which somebody chose one and the search prefers one.
        agreed: of those, in which that is the same one.
    """

    compared: int = 0
    decided: int = 0
    agreed: int = 0

    @property
    def share(self) -> Estimate | None:
        """Share of the decided that agreed, with Wilson's interval of 95 %; None without any."""
        return share_of(self.agreed, self.decided)

    def plus(self, other: Self) -> Agreement:
        """Return both together."""
        return Agreement(
            self.compared + other.compared,
            self.decided + other.decided,
            self.agreed + other.agreed,
        )


def agreement_of(report: str | None, comparisons: Iterable[Comparison]) -> Agreement:
    """Return how the choices about one search agree with it.

    Args:
        report: the search's, JSON text.
        comparisons: of its candidates.
    """
    ranks = ranks_of(report)
    counted = Agreement()
    for said in comparisons:
        own = preferred(ranks, said.left, said.right)
        decided = said.choice != NEITHER and own not in (NEITHER, None)
        counted = counted.plus(Agreement(1, int(decided), int(decided and said.choice == own)))
    return counted
