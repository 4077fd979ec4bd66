"""What an orchestrator reads before its first request: the schedule, and the weights' identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pawfect.contract.errors import PawfectError
from pawfect.costs import Costs, costs_of
from pawfect.diffusion.schedule import Schedule, read_schedule
from pawfect.matting.networks import find_network
from pawfect.profile import Profile
from pawfect.weights.reading import weights_folder
from pawfect.weights.store import Store, weights_root


@dataclass(frozen=True)
class Deployment:
    """What one server's orchestration works with, read once.

    Attributes:
        profile: which models and engines there are.
        schedule: FLUX's; None where the profile has no FLUX or its weights cannot be read.
        weights: identity of the weights by component, for the report.
        flux_error: why there is no schedule although the profile has FLUX.
        finders: networks that find what is protected, of which anything is here, in order, and the
            identity of the weights of each.
        lama: whether anything of LaMa's weights is here: `auto` passes over what was never fetched.
        costs: what FLUX's stages are expected to take on the profile's card; None: not known, and
            nothing is planned ahead.
        verbatim: whether a request's PROMPT reaches FLUX word for word: only in an audit, which
            measures what over-specified prompts do.
    """

    profile: Profile
    schedule: Schedule | None = None
    weights: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    flux_error: PawfectError | None = None
    finders: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lama: bool = False
    costs: Costs | None = None
    verbatim: bool = False

    def engine(self, asked: str) -> tuple[str, str]:
        """Return the engine for a request and why; raises as `Profile.engine`."""
        return self.profile.engine(asked, () if self.lama else ("lama",))

    @property
    def lama_unasked(self) -> bool:
        """Whether LaMa takes part where nobody asked for it."""
        engines = self.profile.engines
        before = engines[: engines.index("patch")] if "patch" in engines else engines
        return self.lama and "lama" in before


def read_deployment(profile: Profile) -> Deployment:
    """Return a profile's deployment; weights that cannot be read are its `flux_error`."""
    if not profile.weights:
        return Deployment(profile)
    store = Store(weights_root())
    weights: dict[str, str] = {}
    schedule, flux_error = None, None
    # What is damaged is told where it is used; what was never fetched is no fault.
    lama = "lama" in profile.weights and (store.root / profile.weights["lama"]).is_dir()
    for component, entry in profile.fill_weights.items():
        if component == "lama" and not lama:
            continue
        try:
            if component == "flux":
                schedule = read_schedule(weights_folder(component, profile, store))
            weights[component] = store.identity(entry)
        except PawfectError as error:
            if component.startswith("flux"):
                flux_error = flux_error or error
    return Deployment(
        profile,
        schedule,
        MappingProxyType(weights),
        flux_error,
        networks_here(profile.protect.networks if profile.protect else (), store),
        lama,
        costs_of(profile.cost, "flux"),
    )


def networks_here(names: Sequence[str], store: Store) -> Mapping[str, str]:
    """Return the networks of which anything is here, in order, and their weights' identities.

    What is damaged is told where it is used.
    """
    here: dict[str, str] = {}
    for name in names:
        entry = find_network(name).weights
        if (store.root / entry).is_dir():
            try:
                here[name] = store.identity(entry)
            except PawfectError:
                here[name] = entry
    return MappingProxyType(here)
