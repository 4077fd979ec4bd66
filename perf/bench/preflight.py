"""What must be there before anything is measured: packages, weights, a GPU where one is named."""

from __future__ import annotations

from pawfect.profile import Profile
from pawfect.weights.store import Store, weights_root
from pawfect_triton.prerequisites import prepare


class CannotMeasure(RuntimeError):  # noqa: N818 - it is what the user is told
    """This machine cannot measure this profile; the text says what it lacks."""


def on_gpu(profile: Profile) -> bool:
    """Say whether any of a profile's models runs on a GPU."""
    return any(
        settings is not None and settings.device == "cuda"
        for settings in (profile.flux, profile.sam3, profile.florence2)
    )


def check_machine(profile: Profile) -> None:
    """Make sure that a profile can be measured here; weights that are built are built.

    A server starts without weights, and `inpaint` then falls back to patches: what would be
    measured is not what the profile is for.

    Raises:
        CannotMeasure: no GPU where the profile's models run on one, or weights that are missing or
            damaged, each with the command that mends it.
        MachineError: a package is missing, or weights could not be built.
    """
    prepare(profile)
    lacking = []
    if on_gpu(profile) and not gpu_here():
        lacking.append(
            f"profile {profile.name}: expected a CUDA GPU that torch sees, got none; run it where "
            "one is"
        )
    store = Store(weights_root())
    for entry in sorted(set(profile.weights.values())):
        problem = next(store.problems(entry), None)
        if problem is not None:
            lacking.append(
                f"weights {entry}: {problem.message}; run `pawfect weights fetch {profile.name}`"
            )
    if lacking:
        raise CannotMeasure("\n".join(lacking))


def gpu_here() -> bool:
    """Say whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


def machine_class() -> str:
    """Return what figures may be compared on: the GPU where there is one, processor and cores."""
    import os

    from perf.provenance import cpu_name

    try:
        import torch

        card = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    except ImportError:
        card = ""
    return f"{card}{cpu_name()}, {os.cpu_count()} cores"
