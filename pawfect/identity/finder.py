"""What every network that finds faces gives, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pawfect.clock import Stage, unmeasured
from pawfect.contract.faces import Face
from pawfect.stop import Stop, never

# Faces of a lower score are never told of: a detector gives one for each cell of its maps, which
# would be compared with each other by the hundred thousand.
FLOOR: Final = 0.02
# Down to this score faces are counted that were left out.
TOLD: Final = 0.1


@dataclass(frozen=True, eq=False)
class Found:
    """The faces of a photo.

    Attributes:
        faces: of at least the score asked for, best first.
        left_out: how many more the detector tells of, of scores under that.
    """

    faces: tuple[Face, ...]
    left_out: int


class Finder(Protocol):
    """Networks that find faces, open.

    Attributes:
        kind: of `pawfect.contract.faces.KINDS`.
        device: what they run on.
    """

    kind: str
    device: str

    def find(
        self,
        photo: NDArray[np.uint8],
        size: int,
        least_score: float,
        stop: Stop = never,
        stage: Stage = unmeasured,
    ) -> Found:
        """Find the faces of a photo.

        Args:
            photo: UINT8 [H, W, 3] RGB.
            size: longest side, px, at which it is looked at.
            least_score: 0 to 1.
            stop: ends the run.
            stage: measures the stages.

        Raises:
            PawfectError: CANCELLED, since `stop` said so.
            MemoryError: there is not enough for it.
        """
        ...


def told_from(least_score: float) -> float:
    """Return the score down to which a detector is asked, so that what is left out is counted."""
    return max(FLOOR, min(TOLD, least_score))
