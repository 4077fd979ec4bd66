"""Which entries a profile needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class NeedsWeights(Protocol):
    """What a profile says of its weights."""

    @property
    def weights(self) -> Mapping[str, str]:
        """Entry names by component."""
        ...


def entries_of(profile: NeedsWeights) -> tuple[str, ...]:
    """Return the entries that a profile needs, each once, in its order."""
    return tuple(dict.fromkeys(profile.weights.values()))
