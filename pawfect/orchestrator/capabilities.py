"""What a server can do, read off its profile, the weights that are here and the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Final

from pawfect.contract.capabilities import Capabilities, Capability
from pawfect.contract.errors import PawfectError
from pawfect.contract.parameters import DENOISING
from pawfect.contract.search_report import SWAPPED
from pawfect.judges.settings import CLIENTS, lacking
from pawfect.matting.networks import find_network
from pawfect.models import MODELS
from pawfect.ocr import INSTALL
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.orchestrator.lettering import READING
from pawfect.orchestrator.refining import Refining
from pawfect.orchestrator.swap_networks import refiner_of, why_no_swap
from pawfect.profile import Profile
from pawfect.weights.store import Store, weights_root

_FETCH: Final = "run `pawfect weights fetch {}`"
_CAN: Final = Capability(True)


def capabilities(refining: Refining) -> Capabilities:
    """Return what a server can do now; weights count as here where their folder is."""
    profile, store = refining.fill.profile, Store(weights_root())
    edit = _edit(refining)
    can = {
        "cutout": _cutout(profile, store),
        "find_masks": _model(profile, store, "find_masks", ("sam3",)),
        "text": _text(profile, store),
        "region": _region(refining),
        "subject": edit,
        "general": edit,
        "search": _model(profile, store, "candidate_search", ()),
        "swap": _swap(refining, store),
    }
    can |= {f"score_{judge}": _judge(profile, judge) for judge in CLIENTS}
    return Capabilities(profile.name, can)


def _region(refining: Refining) -> Capability:
    try:
        engine, _ = refining.fill.engine("auto")
    except PawfectError as error:
        return Capability(False, error.message)
    fill = refining.fill
    engines = tuple(name for name in fill.profile.engines if name not in fill.barred)
    return Capability(True, ignores_prompt=engine not in DENOISING, engines=engines)


def _edit(refining: Refining) -> Capability:
    found = refining.editor_or_lacking()
    if isinstance(found, str):
        return Capability(False, found)
    return Capability(True, remote=not isinstance(found, DeployedChain))


def _swap(refining: Refining, store: Store) -> Capability:
    """Return whether a search can swap faces, and what refines them."""
    profile = refining.fill.profile
    if "candidate_search" not in profile.models:
        return Capability(False, f"profile {profile.name} has no model candidate_search")
    if (why := why_no_swap(profile, store)) is not None:
        return Capability(False, why)
    engine, _ = refiner_of(refining.fill, "auto")
    return Capability(True, engines=() if engine == SWAPPED else (engine,))


def _judge(profile: Profile, judge: str) -> Capability:
    """Return whether a judge elsewhere can be asked; its server is not."""
    model = f"score_{judge}"
    if model not in profile.models:
        return Capability(False, f"profile {profile.name} has no model {model}")
    problem = lacking(judge, os.environ)
    return Capability(True, remote=True) if problem is None else Capability(False, problem)


def _cutout(profile: Profile, store: Store) -> Capability:
    networks = profile.cutout.networks if profile.cutout else ()
    if "background_removal" not in profile.models or not networks:
        return Capability(False, f"profile {profile.name} has no background removal")
    if any((store.root / find_network(name).weights).is_dir() for name in networks):
        return _CAN
    return Capability(False, f"no network is here: {_FETCH.format(networks[-1])}")


def _text(profile: Profile, store: Store) -> Capability:
    """Return whether text can be read here: RapidOCR is installed apart from the rest."""
    found = _model(profile, store, READING)
    if found.available and find_spec("rapidocr") is None:
        return Capability(False, f"the package rapidocr is not here: {INSTALL}")
    return found


def _model(
    profile: Profile, store: Store, name: str, components: Iterable[str] | None = None
) -> Capability:
    """Return whether a model is in the profile and its weights are here.

    Args:
        profile: the server's.
        store: of the weights.
        name: of the model.
        components: of the weights that it needs; None: as its definition has it.
    """
    if name not in profile.models:
        return Capability(False, f"profile {profile.name} has no network for it ({name})")
    needed = MODELS[name].weights if components is None else components
    for component in needed:
        entry = profile.entry(component)
        if not (store.root / entry).is_dir():
            return Capability(False, f"weights {entry} are not here: {_FETCH.format(entry)}")
    return _CAN
