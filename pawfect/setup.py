"""What an orchestrator reads before its first request: the schedule, and the weights' identity."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType

from pawfect.cost.estimates import costs_of
from pawfect.errors import ErrorKind, PawfectError
from pawfect.flux.schedule import Schedule
from pawfect.orchestrator.request import Setup
from pawfect.profile import Profile
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
                folder = store.folder(entry, mend=f"pawfect weights fetch {profile.name}")
                schedule = _read_schedule(folder / "scheduler" / "scheduler_config.json")
            weights[component] = store.identity(entry)
        except PawfectError as error:
            if component.startswith("flux"):
                trouble = trouble or error.message
    costs = costs_of(profile, root=store.root)
    return Setup(profile, schedule, MappingProxyType(weights), trouble, costs)


def _read_schedule(path: Path) -> Schedule:
    try:
        config = json.loads(path.read_text("utf-8"))
        if not isinstance(config, dict):
            raise TypeError("no JSON object")
    except (OSError, TypeError, ValueError) as error:
        problem = f"weights scheduler: expected {path.name}, got {type(error).__name__}"
        raise PawfectError(ErrorKind.UNAVAILABLE, problem) from None
    return Schedule.from_config(config)
