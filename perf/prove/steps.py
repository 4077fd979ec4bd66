"""The steps of a proof that are no cells: each kept as a file, and run once for the same key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawfect.contract.files import write_whole


@dataclass(frozen=True)
class Steps:
    """The steps of one proof's folder.

    Attributes:
        folder: the proof's.
        key: everything that decides what the steps find; with another, all are run again.
        say: takes a line for people.
    """

    folder: Path
    key: str
    say: Callable[[str], None]

    def known(self, name: str) -> dict[str, Any] | None:
        """Return what a step found before, for the same key; None: it is to be run."""
        try:
            stored = json.loads(self._path(name).read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(stored, dict) or stored.get("key") != self.key:
            return None
        found = stored.get("found")
        return found if isinstance(found, dict) else None

    def found(
        self,
        name: str,
        work: Callable[[], dict[str, Any]],
        kept: Callable[[dict[str, Any]], bool] = lambda found: True,
    ) -> dict[str, Any]:
        """Return what a step finds, JSON objects alone, running it where that is not known yet.

        Args:
            name: of the step.
            work: finds it.
            kept: says of what was found whether it stays: a failure that can be mended does not.

        Raises:
            OSError: the disk is full; what was there stays.
        """
        known = self.known(name)
        if known is not None:
            self.say(f"{name}: done already")
            return known
        self.say(f"{name} ...")
        found = work()
        if not kept(found):
            return found
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"key": self.key, "found": found}).encode())
        return found

    def _path(self, name: str) -> Path:
        return self.folder / "steps" / f"{name}.json"
