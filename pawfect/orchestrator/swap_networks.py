"""Whether faces can be swapped here, and what refines a swap: the profile's networks, licences."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.search_report import SWAPPED
from pawfect.identity import INSTALL
from pawfect.identity.networks import ARCFACE
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.face_finding import MODEL as FACES
from pawfect.orchestrator.replacing import editor_of
from pawfect.orchestrator.swap_proposing import MODEL as SWAP
from pawfect.profile import Profile
from pawfect.weights.reading import bar
from pawfect.weights.store import Store


def why_no_swap(profile: Profile, store: Store) -> str | None:
    """Return why a profile swaps no faces, with what mends it; None where it does.

    Args:
        profile: the server's.
        store: of the weights; they count as here where their folder is.
    """
    for model in (FACES, SWAP):
        if model not in profile.models:
            return f"profile {profile.name} has no model {model}"
    finders = arcface(profile)
    if not finders:
        return f"profile {profile.name} has no network whose embeddings a swap takes"
    if find_spec("insightface") is None:
        return f"the package insightface is not here: {INSTALL}"
    # Both are said, so that nobody fetches one and is then told of the other.
    wanted = (finders, [profile.entry("swap")])
    lacking = [why for entries in wanted if (why := _why_none(entries, profile, store))]
    return "; ".join(lacking) or None


def arcface(profile: Profile) -> list[str]:
    """Return a profile's networks whose embedding the swapping network takes: ArcFace's."""
    networks = () if profile.faces is None else profile.faces.networks
    return [name for name in networks if name in ARCFACE]


def mend(entry: str) -> str:
    """Return the command that brings the weights of an entry."""
    return f"run `pawfect weights fetch {entry}`"


def _why_none(entries: Sequence[str], profile: Profile, store: Store) -> str | None:
    """Return why none of some entries can be used; None where one can."""
    problems = []
    for name in entries:
        if (barred := bar(name, profile)) is not None:
            problems.append(f"weights {name}: {barred}")
        elif not (store.root / name).is_dir():
            problems.append(f"weights {name} are not here: {mend(name)}")
        else:
            return None
    return "; ".join(problems)


def refiner_of(deployment: Deployment, asked: str) -> tuple[str, str]:
    """Return what refines swaps, and why; SWAPPED where nothing does.

    Args:
        deployment: which engines there are.
        asked: auto, or one of `pawfect.contract.search.EDITORS`.

    Raises:
        PawfectError: UNAVAILABLE for one that was asked for by name and cannot be used.
    """
    try:
        return editor_of(deployment, asked)
    except PawfectError as error:
        if asked != "auto" or error.kind is not ErrorKind.UNAVAILABLE:
            raise
        return SWAPPED, error.message
