"""What an orchestrator reads before its first request: the schedule, and the weights' identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pawfect.chains import CHAINS
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.search import SWAP
from pawfect.costs import Costs, costs_of
from pawfect.diffusion.chain import Chain
from pawfect.diffusion.schedule import Schedule, read_schedule
from pawfect.matting.networks import find_network
from pawfect.profile import Profile
from pawfect.settings import ChainSettings
from pawfect.weights.reading import bar, weights_folder
from pawfect.weights.store import Store, weights_root


@dataclass(frozen=True)
class DeployedChain:
    """A denoising model as a server has it.

    Attributes:
        chain: which.
        settings: of the profile.
        schedule: its own; None where its weights cannot be read.
        costs: what its stages are expected to take on the profile's card; None: not known, and
            nothing is planned ahead.
        error: why there is no schedule, or that some of its weights cannot be read.
        licence: of its weights, as the manifest names it; None where that is not known.
    """

    chain: Chain
    settings: ChainSettings
    schedule: Schedule | None = None
    costs: Costs | None = None
    error: PawfectError | None = None
    licence: str | None = None


@dataclass(frozen=True)
class Deployment:
    """What one server's orchestration works with, read once.

    Attributes:
        profile: which models and engines there are.
        chains: the denoising models that the profile has, by name.
        weights: identity of the weights by component, for the report.
        finders: networks that find what is protected, of which anything is here, in order, and the
            identity of the weights of each.
        lama: whether anything of LaMa's weights is here: `auto` passes over what was never fetched.
        barred: engines, and `swap`, that the profile leaves out, and why.
        verbatim: whether a request's PROMPT reaches a model word for word: only in an audit, which
            measures what over-specified prompts do.
    """

    profile: Profile
    chains: Mapping[str, DeployedChain] = field(default_factory=lambda: MappingProxyType({}))
    weights: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    finders: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lama: bool = False
    barred: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    verbatim: bool = False

    def engine(self, asked: str) -> tuple[str, str]:
        """Return the engine for a request and why; raises as `Profile.engine`."""
        without = [*self.barred, *(() if self.lama else ("lama",))]
        engine, reason = self.profile.engine(asked, without)
        engines = self.profile.engines
        # Of `auto` too, where no other engine is left.
        if engine in self.barred:
            raise PawfectError(ErrorKind.UNAVAILABLE, f"engine={engine}: {self.barred[engine]}")
        passed = [name for name in engines[: engines.index(engine)] if name in self.barred]
        if asked == "auto" and passed:
            left_out = "; ".join(f"{name} is left out: {self.barred[name]}" for name in passed)
            reason = f"{reason}; {left_out}"
        return engine, reason

    def editor(self, asked: str) -> DeployedChain | None:
        """Return the denoising model that edits by words: the profile's first that can be used.

        Args:
            asked: a request's `engine`: auto, or its name.

        Returns:
            None for `auto` where the profile has none.

        Raises:
            PawfectError: UNAVAILABLE where the one that was asked for does not edit, is not in the
                profile, is left out by its licence, or its weights cannot be read; with `auto`,
                where that is so of all that the profile has.
        """
        editors = [name for name in self.profile.engines if name in CHAINS and CHAINS[name].edits]
        if asked != "auto" and asked not in editors:
            known = " or ".join(name for name, chain in CHAINS.items() if chain.edits)
            has = f"profile {self.profile.name} has {' and '.join(editors) or 'neither'}"
            problem = f"engine: expected {known} to edit by words, got {asked}; {has}"
            raise PawfectError(ErrorKind.UNAVAILABLE, problem)
        problems = []
        for name in editors if asked == "auto" else (asked,):
            deployed = self.chains.get(name)
            if name in self.barred:
                problems.append(f"engine={name}: {self.barred[name]}")
            elif deployed is None or deployed.schedule is None or deployed.error is not None:
                missing = f"the profile has no {name}"
                problems.append(deployed.error.message if deployed and deployed.error else missing)
            else:
                return deployed
        if problems:
            raise PawfectError(ErrorKind.UNAVAILABLE, "; ".join(problems))
        return None

    def weights_of(self, name: str) -> dict[str, str]:
        """Return the identities of a denoising model's own weights, by component."""
        own = self.weights.items()
        return {part: identity for part, identity in own if part.partition("_")[0] == name}

    def chain(self, name: str) -> DeployedChain:
        """Return a denoising model that can be used.

        Raises:
            PawfectError: UNAVAILABLE where the profile has no such model or its weights cannot be
                read.
        """
        deployed = self.chains.get(name)
        if deployed is None or deployed.schedule is None:
            missing = PawfectError(ErrorKind.UNAVAILABLE, f"the profile has no {name}")
            raise (deployed and deployed.error) or missing
        return deployed

    @property
    def lama_unasked(self) -> bool:
        """Whether LaMa takes part where nobody asked for it."""
        engines = self.profile.engines
        before = engines[: engines.index("patch")] if "patch" in engines else engines
        return self.lama and "lama" in before


def read_deployment(profile: Profile) -> Deployment:
    """Return a profile's deployment; weights that cannot be read are the error of their chain."""
    if not profile.weights:
        return Deployment(profile)
    store = Store(weights_root())
    weights: dict[str, str] = {}
    errors: dict[str, PawfectError] = {}
    # What is damaged is told where it is used; what was never fetched is no fault.
    lama = "lama" in profile.weights and (store.root / profile.weights["lama"]).is_dir()
    for component, entry in profile.fill_weights.items():
        if component == "lama" and not lama:
            continue
        try:
            weights[component] = store.identity(entry)
        except PawfectError as error:
            errors.setdefault(component.partition("_")[0], error)
    chains = {
        name: _deployed(chain, settings, profile, store, errors.get(name))
        for name, chain in CHAINS.items()
        if (settings := profile.chain(name)) is not None
    }
    return Deployment(
        profile,
        MappingProxyType(chains),
        MappingProxyType(weights),
        networks_here(profile.protect.networks if profile.protect else (), store),
        lama,
        barred(profile),
    )


def _deployed(
    chain: Chain,
    settings: ChainSettings,
    profile: Profile,
    store: Store,
    error: PawfectError | None,
) -> DeployedChain:
    schedule = None
    try:
        folder = weights_folder(chain.name, profile, store)
        schedule = chain.rescheduled(read_schedule(folder, chain.shift), settings)
    except PawfectError as unreadable:
        error = unreadable
    costs, entry = costs_of(profile.cost, chain.name), store.entries[profile.weights[chain.name]]
    return DeployedChain(chain, settings, schedule, costs, error, entry.licence)


def barred(profile: Profile) -> Mapping[str, str]:
    """Return the engines, and SWAP, that a profile leaves out by their licence, and why."""
    bars: dict[str, str] = {}
    for part, entry in profile.weights.items():
        engine = part.partition("_")[0]
        if engine in (*profile.engines, SWAP) and (reason := bar(entry, profile)):
            bars[engine] = reason
    return MappingProxyType(bars)


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
