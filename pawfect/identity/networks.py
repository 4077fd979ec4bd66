"""Which networks find faces: entries of the weights' manifest, in the order in which they are best.

A profile names those that it takes; the first that is here, and that the profile may use by its
licence, is taken.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.faces import INSIGHTFACE
from pawfect.contract.report import Fallback
from pawfect.identity import INSTALL
from pawfect.identity.centerface import CenterFinder, Embedder
from pawfect.identity.finder import Finder
from pawfect.onnx.session import EXTRA
from pawfect.weights.manifest import find_entry, manifest
from pawfect.weights.reading import unusable

# Finds the verified folder of an entry of the weights' manifest; raises UNAVAILABLE, too where the
# profile may not use it.
Find = Callable[[str], Path]
# A stage of the report's fallbacks: which networks find faces, which compare them.
FINDING: Final = "networks"
COMPARING: Final = "embedding"
# What compares the faces that CenterFace finds, and the package that runs it.
DLIB: Final = "dlib-face-embedding"
_DLIB_PACKAGE: Final = "dlib"


@dataclass(frozen=True, eq=False)
class Chosen:
    """The networks that are taken, open.

    Attributes:
        finder: finds faces.
        entries: of the weights' manifest, by what they are for: faces, and embedding where that is
            another's.
        fallbacks: better ones that are not here, or may not be used.
    """

    finder: Finder
    entries: Mapping[str, str]
    fallbacks: tuple[Fallback, ...]

    @property
    def licence(self) -> str:
        """The licences of the weights, as the manifest names them."""
        names = (find_entry(manifest(), entry).licence for entry in self.entries.values())
        return ", ".join(dict.fromkeys(names))


def choose(names: Sequence[str], find: Find, threads: int) -> Chosen:
    """Open the first of some networks that is here and can be used.

    Args:
        names: of NETWORKS, the best first.
        find: finds their folders.
        threads: that one call works with.

    Raises:
        PawfectError: UNAVAILABLE where none is, with what was wrong with each; INVALID_ARG for a
            name that is not in NETWORKS.
        MemoryError: there is not enough for the first that is here.
    """
    problems: list[PawfectError] = []
    for name in names:
        if name not in NETWORKS:
            raise invalid("networks", f"some of {', '.join(NETWORKS)}", repr(name))
        try:
            finder, entries, said = NETWORKS[name](name, find, threads)
        except PawfectError as error:
            if error.kind is not ErrorKind.UNAVAILABLE:
                raise
            problems.append(error)
            continue
        over = (
            Fallback(FINDING, error.message, f"faces are found by {name}", error.kind)
            for error in problems
        )
        return Chosen(finder, MappingProxyType(entries), (*over, *said))
    said_of_all = "; ".join(error.message for error in problems)
    raise PawfectError(ErrorKind.UNAVAILABLE, f"no network that finds faces: {said_of_all}")


# What opens an entry: the finder, the entries by what they are for, and what it does without.
_Opened = tuple[Finder, dict[str, str], tuple[Fallback, ...]]


def _insightface(name: str, find: Find, threads: int, inside: str = "") -> _Opened:
    """Open insightface's networks, whose files lie in a folder `inside` the entry's."""
    folder = find(name)
    try:
        # Only here: it is installed apart, and costs 0.5 s and 42 MiB.
        opened: Callable[[Path, int, str], Finder] = import_module(
            "pawfect.identity.insight"
        ).InsightFinder
    except ImportError as error:
        raise unusable(folder, _needs(error.name or INSIGHTFACE)) from None
    with _mended(name):
        return opened(folder, threads, inside), {"faces": name}, ()


def _centerface(name: str, find: Find, threads: int) -> _Opened:
    folder = find(name)
    embedder, said = _dlib(find)
    entries = {"faces": name} | ({} if embedder is None else {"embedding": DLIB})
    with _mended(name):
        return CenterFinder(folder, threads, embedder), entries, said


def _dlib(find: Find) -> tuple[Embedder | None, tuple[Fallback, ...]]:
    """Return what compares faces; None where dlib is not installed, which is an option."""
    if importlib.util.find_spec(_DLIB_PACKAGE) is None:
        return None, ()
    try:
        folder = find(DLIB)
        with _mended(DLIB):
            module = import_module("pawfect.identity.dlib_embedding")
            embedder: Embedder = module.DlibEmbedder(folder)
    except PawfectError as error:
        return None, (Fallback(COMPARING, error.message, "faces are not compared", error.kind),)
    return embedder, ()


@contextmanager
def _mended(entry: str) -> Iterator[None]:
    """Say how to have another file, where one is whole by what is known of it, but not usable."""
    try:
        yield
    except PawfectError as error:
        mend = f"run `pawfect weights fetch {entry} --fresh`"
        raise PawfectError(error.kind, f"{error.message}; {mend}") from None


def _needs(module: str) -> str:
    package = module.partition(".")[0]
    install = INSTALL if package == INSIGHTFACE else f"pip install 'pawfect[{EXTRA}]'"
    return f"running them needs the package {package}: {install}"


# By entry, what opens it. buffalo_l is the best of them and for research only; tiny-faces is a
# test's.
NETWORKS: Final[Mapping[str, Callable[[str, Find, int], _Opened]]] = MappingProxyType(
    {
        "buffalo_l": partial(_insightface, inside="buffalo_l"),
        "tiny-faces": _insightface,
        "centerface": _centerface,
    }
)
# Those among them that give ArcFace's embedding, which the swapping network takes.
ARCFACE: Final = frozenset({"buffalo_l", "tiny-faces"})
