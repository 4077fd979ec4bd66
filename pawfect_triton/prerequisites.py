"""What a profile needs before its server starts: packages, and weights that are built here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Final

from pawfect.profile import Profile
from pawfect.weights.manifest import BUILT, Entry, manifest
from pawfect.weights.store import Store, weights_root
from pawfect_triton.installation import MachineError
from pawfect_triton.start_checks import check_start

PACKAGES: Final = ("torch", "transformers", "diffusers", "safetensors")


def prepare(profile: Profile, also: Iterable[str] = ()) -> None:
    """Check a profile's packages, and build those of its weights for which all is here.

    All others are left to `pawfect weights fetch`: a server starts offline and at once, and a model
    without its weights answers UNAVAILABLE with that command.

    Args:
        profile: whose packages and weights are meant.
        also: entries of the manifest beside the profile's own.

    Raises:
        MachineError: a package is missing, the weights could not be built, or something of
            `check_start`.
    """
    check_start(profile)
    if not profile.neural:
        return
    lacking = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if lacking:
        raise MachineError(
            [
                f"profile {profile.name} needs {', '.join(lacking)}: `make setup-neural`, or "
                "pip install torch 'pawfect[neural]'"
            ]
        )
    store, entries = Store(weights_root()), manifest()
    names = sorted({*profile.weights.values(), *also})
    unbuilt = [
        name for name in names if _can_be_built(name, entries, store) and any(store.problems(name))
    ]
    if unbuilt:
        # By its command: what serves imports nothing that exports.
        run = "from pawfect.cli import main; main()"
        built = subprocess.run(
            [sys.executable, "-c", run, "weights", "fetch", *unbuilt], check=False
        )
        if built.returncode:
            raise MachineError([f"weights {', '.join(unbuilt)}: could not be built; see above"])


def _can_be_built(name: str, entries: Mapping[str, Entry], store: Store) -> bool:
    """Say whether an entry is made of nothing but what is made here itself, or is here."""
    entry = entries[name]
    return entry.kind == BUILT and all(
        not any(store.problems(part)) or _can_be_built(part, entries, store)
        for part in entry.sources
    )
