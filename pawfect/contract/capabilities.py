"""What a server can do, said before anybody asks it to: REPORT of `refine` for that question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pawfect import __version__
from pawfect.contract.report import known_entries

# TYPE of the request that asks; its PAYLOAD is not read.
CAPABILITIES: Final = "capabilities"


@dataclass(frozen=True)
class Capability:
    """Whether one thing can be done.

    Attributes:
        available: whether a request for it would be taken.
        why: why not, and what mends it; None where it is available.
        remote: whether only a server elsewhere does it: the request must say remote=true, and the
            picture leaves the server's machine.
        ignores_prompt: whether what fills a hole here reads no prompt.
        engines: that fill a hole here, in the order in which auto takes them: those of the profile
            that its licence setting does not leave out; of swap the one that refines a swapped
            face, none where nothing does.
    """

    available: bool
    why: str | None = None
    remote: bool = False
    ignores_prompt: bool = False
    engines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """What a server can do.

    Attributes:
        profile: name of its profile.
        can: by name: cutout, find_masks, the types of `refine`, search, swap, and the models of
            remote judges.
        version: of the package.
    """

    profile: str
    can: Mapping[str, Capability] = field(default_factory=dict)
    version: str = __version__

    def to_json(self) -> str:
        """Return all of it as one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Capabilities:
        """Read what `to_json` wrote; entries that only a newer server knows are left out."""
        given: dict[str, Any] = json.loads(text)
        can = {name: _capability(it) for name, it in given["can"].items()}
        return cls(**known_entries(cls, given) | {"can": can})


def _capability(given: Mapping[str, Any]) -> Capability:
    known = known_entries(Capability, given)
    return Capability(**known | {"engines": tuple(known.get("engines", ()))})
