"""From words to a hole: what each phrase found, refused where that is nothing or everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.find import MAX_MASKS
from pawfect.photo.mask_file import MOST_WITHOUT_A_WORD
from pawfect_client.results import FoundMasks

# How a phrase is asked for that is to become a hole: all that it finds, as one mask.
JOINED: Final[Mapping[str, Any]] = MappingProxyType({"joined": True, "most": MAX_MASKS})


@dataclass(frozen=True, eq=False)
class Named:
    """What one phrase found.

    Attributes:
        phrase: what was looked for.
        mask: UINT8 [H, W], 255 = it.
        score: how sure the model is of the best find, 0 to 1.
        area_px: pixels of the mask, which several finds may share.
        finds: how many things it found.
    """

    phrase: str
    mask: NDArray[np.uint8]
    score: float
    area_px: int
    finds: int

    @property
    def share(self) -> float:
        """Of the photo that is named, 0 to 1."""
        return self.area_px / self.mask.size

    def __str__(self) -> str:
        things = "" if self.finds == 1 else f", {self.finds} of them"
        area = f"{100 * self.share:.2g} % of the photo ({self.area_px} px{things})"
        return f"{self.phrase}: score {self.score:.2f}, {area}"


def named(phrase: str, found: FoundMasks, what: str = "find") -> Named:
    """Return what a phrase found.

    Args:
        phrase: what was looked for.
        found: the answer to it, its finds joined.
        what: what messages call the words.

    Raises:
        PawfectError: INVALID_ARG, with the phrase, where that is nothing, or over 95 % of the
            photo.
    """
    area = int(np.count_nonzero(found.masks))
    if not area:
        expected = f"something that can be seen in the photo by the name of {phrase!r}"
        sure = f"it is {100 * found.report.presence:.0f} % sure that there is one"
        least = f"and asked for a score over {found.report.least_score:g}"
        raise invalid(what, expected, f"nothing: {sure} {least}")
    mask = found.masks[0]
    its = Named(phrase, mask, float(found.scores[0]), area, len(found.report.finds))
    check_share(its.share, [phrase], what)
    return its


def joined(finds: Iterable[Named], what: str = "find") -> NDArray[np.uint8]:
    """Return the mask of all that was found, UINT8 [H, W], 255 = it.

    Args:
        finds: at least one.
        what: what messages call the words.

    Raises:
        PawfectError: INVALID_ARG where it is over 95 % of the photo.
    """
    every = list(finds)
    mask: NDArray[np.uint8] = reduce(np.maximum, (find.mask for find in every))
    check_share(np.count_nonzero(mask) / mask.size, [find.phrase for find in every], what)
    return mask


def check_share(share: float, phrases: Iterable[str], what: str) -> None:
    """Raise INVALID_ARG where what was found is nearly all of the photo."""
    if share > MOST_WITHOUT_A_WORD:
        those = " and ".join(map(repr, phrases))
        expected = f"at most {100 * MOST_WITHOUT_A_WORD:.0f} % of the photo for {those}"
        raise invalid(what, expected, f"{100 * share:.1f} %")
