"""What must be there before a proof begins: a card, room on the disk, a token, the weights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from huggingface_hub import get_token

from pawfect.profile import Profile
from pawfect.weights.manifest import BUILT, Entry
from pawfect.weights.store import Store
from pawfect_triton.prerequisites import prepare
from perf.audit.engines import engine_of, settings_of
from perf.diffusion.memory import GIB, processes_of, total_gib
from perf.diffusion.published import NETWORKS

# Pictures, journal and logs of a proof: some 1,000 pictures of 2 MB at most.
FOLDER_GB: Final = 2.0
GB: Final = 1e9
# Of a built module for each billion of its transformer's parameters: 8 bits and scales at most.
BUILT_GB: Final = 1.07

# Profiles of tiny random weights, by engine.
REHEARSALS: Final = MappingProxyType({"flux": "tiny", "klein": "tiny-klein", "edit": "tiny-edit"})


class ProofError(RuntimeError):
    """A proof that cannot begin or go on: what is wrong and how to mend it, in one line."""


@dataclass(frozen=True)
class Card:
    """Where the models run.

    Attributes:
        name: as the driver calls it; `CPU` where the profile needs no card.
        gib: all of its memory, GiB; 0 of a CPU.
        capability: of CUDA, such as 7.5; empty of a CPU.
    """

    name: str
    gib: float = 0.0
    capability: str = ""


def find_card(profile: Profile, engine: str) -> Card:
    """Return the card that a profile's models run on.

    Args:
        profile: whose.
        engine: of it, that is proved.

    Raises:
        ProofError: there is none, or a smaller one than the profile needs.
    """
    if settings_of(profile, engine).device == "cpu":
        return Card("CPU")
    import torch

    if not torch.cuda.is_available():
        raise ProofError(
            f"profile {profile.name}: expected a CUDA card that torch sees, got none; run it where "
            f"one is (`nvidia-smi` must list it), or rehearse with PROFILE={REHEARSALS[engine]}"
        )
    found = torch.cuda.get_device_properties(0)
    card = Card(found.name, found.total_memory / GIB, f"{found.major}.{found.minor}")
    check_card(profile, card)
    return card


def check_card(profile: Profile, card: Card) -> None:
    """Raise ProofError where a card has less memory than a profile's models take."""
    needed = total_gib(processes_of(profile))
    if card.gib < needed:
        raise ProofError(
            f"profile {profile.name}: expected a card of {needed:.1f} GiB, got {card.name} with "
            f"{card.gib:.1f}; take the PROFILE of a smaller card, or a larger card"
        )


def fetch_weights(profile: Profile, also: Iterable[str], store: Store) -> None:
    """Have every entry here that a profile and its proof need; what is here is left alone.

    Raises:
        ProofError: no room on the disk, no token where one is needed, or the fetch failed.
    """
    prepare(profile, also)
    # Whose licence is asked about is fetched by hand alone; nothing here is proved of it.
    own = (name for name in profile.weights.values() if not store.entries[name].asked)
    lacking = [name for name in sorted({*own, *also}) if any(store.problems(name))]
    if not lacking:
        return
    parts = _parts(lacking, store)
    check_room(store.root, sum(map(_gb, parts)), "weights", "PAWFECT_WEIGHTS")
    gated = [entry for entry in parts if entry.gated]
    if gated and get_token() is None:
        pages = ", ".join(sorted({f"huggingface.co/{entry.repository}" for entry in gated}))
        raise ProofError(
            f"weights {', '.join(entry.name for entry in gated)}: expected a token in HF_TOKEN, "
            f"got none; accept the licence on {pages} and set it to a token of that account, or "
            "take files that you have with `pawfect weights add`"
        )
    command = [sys.executable, "-c", "from pawfect.cli import main; main()", "weights", "fetch"]
    if subprocess.run([*command, *lacking], check=False).returncode:
        raise ProofError(
            f"weights {', '.join(lacking)}: could not be fetched, see above; the same command goes "
            "on from there"
        )


def check_room(place: Path, needed_gb: float, what: str, variable: str) -> None:
    """Raise ProofError unless the disk of a folder has room for so many decimal gigabytes."""
    there = next(path for path in (place, *place.parents) if path.exists())
    free_gb = shutil.disk_usage(there).free / GB
    if free_gb < needed_gb:
        raise ProofError(
            f"{what}: expected {needed_gb:.1f} GB of free disk space, got {free_gb:.1f}; free "
            f"some, or choose another disk with {variable}"
        )
    if not os.access(there, os.W_OK):
        raise ProofError(f"{what}: expected a folder to write in, got one that is read-only")


def _parts(names: Iterable[str], store: Store) -> list[Entry]:
    """Return the entries that are not here, and of those that are built what they are made of."""
    found: dict[str, Entry] = {}
    left = list(names)
    while left:
        entry = store.entries[left.pop()]
        if entry.name in found or not any(store.problems(entry.name)):
            continue
        found[entry.name] = entry
        left += entry.sources
    return list(found.values())


def _gb(entry: Entry) -> float:
    engine = engine_of(entry.name)
    if entry.kind != BUILT or engine is None:
        return entry.about_gb or 0.0
    # Of a text encoder, which is smaller, so much is left over.
    return BUILT_GB * NETWORKS[engine].transformer.parameters / 1e9
