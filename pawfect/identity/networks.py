"""Which networks find faces: entries of the weights' manifest, in the order in which they are best.

A profile names those that it takes; the first that is here, and that the profile may use by its
licence, is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.faces import CENTERFACE, INSIGHTFACE
from pawfect.contract.report import Fallback
from pawfect.weights.manifest import Entry, find_entry, manifest

# Finds the verified folder of an entry of the weights' manifest; raises UNAVAILABLE, too where the
# profile may not use it.
Find = Callable[[str], Path]
STAGE: Final = "networks"

# By entry, the kind of faces that its networks find. buffalo_l is the best of them and for research
# only; tiny-faces is a test's.
NETWORKS: Final[Mapping[str, str]] = MappingProxyType(
    {"buffalo_l": INSIGHTFACE, "tiny-faces": INSIGHTFACE, "centerface": CENTERFACE}
)


@dataclass(frozen=True)
class Chosen:
    """The networks that are taken.

    Attributes:
        entry: of the weights' manifest.
        kind: of `pawfect.contract.faces.KINDS`, of what its own networks find.
        folder: verified.
        passed_over: better ones that are not here, or may not be used.
    """

    entry: Entry
    kind: str
    folder: Path
    passed_over: tuple[Fallback, ...]


def choose(names: Sequence[str], find: Find) -> Chosen:
    """Return the first of some networks that is here.

    Args:
        names: of NETWORKS, the best first.
        find: finds their folders.

    Raises:
        PawfectError: UNAVAILABLE where none is here, with what was wrong with each; INVALID_ARG for
            a name that is not in NETWORKS.
    """
    problems: list[tuple[str, PawfectError]] = []
    for name in names:
        if name not in NETWORKS:
            raise invalid("networks", f"some of {', '.join(NETWORKS)}", repr(name))
        entry = find_entry(manifest(), name)
        try:
            folder = find(name)
        except PawfectError as error:
            if error.kind is not ErrorKind.UNAVAILABLE:
                raise
            problems.append((name, error))
            continue
        over = tuple(_fallback(error, name) for _, error in problems)
        return Chosen(entry, NETWORKS[name], folder, over)
    said = "; ".join(error.message for _, error in problems)
    raise PawfectError(ErrorKind.UNAVAILABLE, f"no network that finds faces is here: {said}")


def _fallback(error: PawfectError, instead: str) -> Fallback:
    return Fallback(STAGE, error.message, f"faces are found by {instead}", error.kind)
