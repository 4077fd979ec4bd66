"""What an orchestrator reads before its first request: the schedule, and the weights' identity."""

from __future__ import annotations

from types import MappingProxyType

from pawfect.contract.errors import PawfectError
from pawfect.costs import costs_of
from pawfect.flux.schedule import read_schedule
from pawfect.orchestrator.request import Setup
from pawfect.profile import Profile
from pawfect.weights.reading import weights_folder
from pawfect.weights.store import Store, weights_root


def read_setup(profile: Profile) -> Setup:
    """Return a profile's setup; weights that are missing or damaged are its trouble, no error."""
    if not profile.weights:
        return Setup(profile)
    store = Store(weights_root())
    weights: dict[str, str] = {}
    schedule, trouble = None, None
    for component, entry in profile.weights.items():
        try:
            if component == "flux":
                schedule = read_schedule(weights_folder(component, profile, store))
            weights[component] = store.identity(entry)
        except PawfectError as error:
            if component.startswith("flux"):
                trouble = trouble or error.message
    costs = costs_of(profile.cost)
    return Setup(profile, schedule, MappingProxyType(weights), trouble, costs)
