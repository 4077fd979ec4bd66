"""What is asked of every task alike, and what tells one request from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pawfect import __version__
from pawfect.contract.parameters import MaskFileParams, Scalar
from pawfect.contract.search import EDIT, SearchParams, check_reference, search_plan
from pawfect_client.search.pictures import PictureFiles, TaskPictures
from pawfect_client.search.tasks import Task

# What changes how far a search comes, and no candidate of it: with more of it, it goes on.
_OF_HOW_FAR: Final = frozenset({"deadline_ms", "at_once"})


@dataclass(frozen=True)
class Asked:
    """What is asked of every task.

    Attributes:
        parameters: the request's scalars, of `SearchParams`.
        prompt: text for FLUX or None.
        protect: file of what must never be filled, or None.
        reading: how masks' files are read.
        files: where pictures come from.
    """

    parameters: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    prompt: str | None = None
    protect: Path | None = None
    reading: MaskFileParams = field(default_factory=MaskFileParams)
    files: PictureFiles = field(default_factory=PictureFiles)

    def of(self, task: Task) -> Asked:
        """Return what is asked of one task, with what it has for itself.

        Raises:
            PawfectError: INVALID_ARG for parameters that the service would refuse, and where the
                proposer needs a picture that the task has not got.
        """
        given: dict[str, Scalar] = {**self.parameters, **task.parameters}
        if given.get("proposer") == EDIT and task.character is not None:
            given.setdefault("character", task.character)
        asked = replace(self, parameters=MappingProxyType(given))
        asked.planned()
        check_reference(SearchParams.parse(given), task.reference is not None, "reference")
        return asked

    def planned(self) -> int:
        """Return how many candidates a search makes that goes to its end.

        Raises:
            PawfectError: INVALID_ARG for parameters that the service would refuse.
        """
        return search_plan(SearchParams.parse(self.parameters)).total

    def digest(self, pictures: TaskPictures) -> str:
        """Return SHA-256 of all that makes the candidates of a task what they are."""
        params = asdict(SearchParams.parse(self.parameters))
        told = {
            "parameters": {key: it for key, it in params.items() if key not in _OF_HOW_FAR},
            "prompt": self.prompt,
            "version": __version__,
            "reading": asdict(self.reading),
            "pictures": dict(pictures.digests),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
