"""Which entries a profile needs."""

from __future__ import annotations

from pawfect.profile import Profile


def entries_of(profile: Profile) -> tuple[str, ...]:
    """Return the entries that a profile needs, each once, in its order."""
    return tuple(dict.fromkeys(profile.weights.values()))
