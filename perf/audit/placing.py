"""Whether a setting fits the card beside the labelling models, only without them, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Final

from pawfect.model import TORCH
from pawfect.models import MODELS
from pawfect.profile import Profile
from pawfect.weights.store import Store, weights_root
from pawfect_triton.overrides import Overrides
from perf.audit.engines import settings_of
from perf.diffusion.cards import CARDS
from perf.diffusion.memory import GIB, Process, processes_of, total_gib

# What labels are made with. Nothing else of a fill needs them.
LABELLING: Final = ("sam3_labeling", "florence2")
BESIDE: Final = "beside the labelling models"
ALONE: Final = "without the labelling models"
NOT_AT_ALL: Final = "not at all"


@dataclass(frozen=True)
class Placement:
    """What decides where a setting runs, GiB.

    Attributes:
        beside: of its processes with the labelling models.
        alone: without them.
        card: that the card's processes can share.
    """

    beside: float
    alone: float
    card: float

    @property
    def where(self) -> str:
        """BESIDE, ALONE or NOT_AT_ALL."""
        if self.beside <= self.card:
            return BESIDE
        return ALONE if self.alone <= self.card else NOT_AT_ALL

    @property
    def reason(self) -> str:
        """Why it does not run beside the labelling models; empty where it does."""
        of = f"of {self.card:.2f} GiB"
        if self.where == BESIDE:
            return ""
        if self.where == ALONE:
            return (
                f"labels made before: {self.beside:.2f} {of} beside the labelling models, "
                f"{self.alone:.2f} without"
            )
        return f"{self.alone:.2f} {of} without the labelling models, {self.beside:.2f} with them"


def usable_gib(profile: Profile) -> float | None:
    """Return the GiB that processes can share on a profile's card; None where it has no card."""
    return CARDS[profile.name].usable_gib if profile.name in CARDS else None


def place(profile: Profile, card_gib: float | None, overrides: Overrides) -> Placement:
    """Say where a setting fits, by the memory of all processes together.

    Args:
        profile: with a denoising engine. On a card: modelled as `perf.diffusion.memory` does. On
            the CPU: as if each process were one on a card with the weights that lie in the store: a
            rehearsal.
        card_gib: what processes can share; None: without end.
        overrides: what the setting changes of the profile.
    """
    if card_gib is None:
        return Placement(0.0, 0.0, inf)
    applied = overrides.applied(profile)
    on_card = any(settings_of(applied, name).device == "cuda" for name in applied.chains)
    processes = processes_of(applied) if on_card else _rehearsed(applied)
    alone = tuple(process for process in processes if process.model not in LABELLING)
    return Placement(total_gib(processes), total_gib(alone), card_gib)


def without_labelling(profile: Profile) -> Profile:
    """Return a profile whose server loads no labelling models."""
    return replace(profile, models=tuple(name for name in profile.models if name not in LABELLING))


def only_labelling(profile: Profile) -> Profile:
    """Return a profile whose server cleans masks and makes labels, and nothing else."""
    wanted = ("mask_cleanup", *LABELLING)
    return replace(profile, models=tuple(name for name in profile.models if name in wanted))


def _rehearsed(profile: Profile) -> tuple[Process, ...]:
    neural = (MODELS[name] for name in profile.models if MODELS[name].runtime == TORCH)
    return tuple(
        Process(model.name, _stored_bytes(profile.entry(model.weights[0])) / GIB, 0.0)
        for model in neural
        if model.weights
    )


def _stored_bytes(entry: str) -> int:
    """Return the bytes of an entry's files in the store; 0 where it is not here."""
    folder = Store(weights_root()).root / entry
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
