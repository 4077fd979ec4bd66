"""Which mask of a folder belongs to which picture, by their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from pawfect.contract.errors import invalid

# For people; blanks and dots part as well as these, and any ending of a picture's name will do.
PATTERNS: Final = "dog.png, dog_mask.png, dog-mask.png, mask_dog.png, mask-dog.png or dog.jpg.png"
_MARKED: Final = (
    re.compile(r"(.+)[_\-. ]mask\d*", re.IGNORECASE | re.DOTALL),
    re.compile(r"mask[_\-. ](.+)", re.IGNORECASE | re.DOTALL),
)


def _meant(mask: Path) -> Iterator[str]:
    """Return what a mask's name says that it is the mask of, apart from its own name."""
    for pattern in _MARKED:
        if found := pattern.fullmatch(mask.stem):
            yield found[1]


class MaskNames:
    """Masks by the pictures that they may belong to.

    Args:
        masks: their files.
    """

    def __init__(self, masks: Iterable[Path]) -> None:
        self._by_name: defaultdict[str, list[Path]] = defaultdict(list)
        for mask in masks:
            for name in {mask.stem, *_meant(mask)}:
                self._by_name[name].append(mask)

    def of(self, picture: Path) -> Path:
        """Return a picture's mask; one that names it with its ending goes before others.

        Raises:
            PawfectError: INVALID_ARG for none, or for several.
        """
        found = self._by_name.get(picture.name) or self._by_name.get(picture.stem) or []
        if len(found) != 1:
            expected = f"one mask of its name, such as {picture.stem}_mask.png"
            names = ", ".join(sorted(mask.name for mask in found))
            raise invalid(picture.name, expected, names or "none")
        return found[0]


def apart(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the pictures and the masks of one folder that holds both.

    A mask is what is marked as the mask of another file there: dog_mask.png beside dog.jpg.
    """
    names = {name for file in files for name in (file.name, file.stem)}
    masks = [file for file in files if any(name in names for name in _meant(file))]
    return [file for file in files if file not in set(masks)], masks
