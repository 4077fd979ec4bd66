"""What is asked of every task alike, and what tells one request from another."""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pawfect import __version__
from pawfect.contract.faces import MAX_CALLER
from pawfect.contract.parameters import MaskFileParams, Scalar
from pawfect.contract.search import (
    EDIT,
    SWAP,
    SearchParams,
    check_mask,
    check_reference,
    check_swap_consent,
    search_plan,
)
from pawfect_client.search.pictures import PictureFiles, TaskPictures
from pawfect_client.search.tasks import Task

# What changes how far a search comes, or who answers for it, and no candidate of it.
_OF_NO_CANDIDATE: Final = frozenset({"deadline_ms", "at_once", "consent", "caller"})


@dataclass(frozen=True)
class Asked:
    """What is asked of every task.

    Attributes:
        parameters: the request's scalars, of `SearchParams`.
        prompt: what to fill with or None.
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
        if given.get("proposer") == SWAP and (name := account()) is not None:
            given.setdefault("caller", name)
        asked = replace(self, parameters=MappingProxyType(given))
        asked.planned()
        params = SearchParams.parse(given)
        check_reference(params, task.reference is not None, "reference")
        check_mask(params, task.mask is not None, "mask")
        return asked

    @property
    def proposer(self) -> str:
        """What makes candidates."""
        return SearchParams.parse(self.parameters).proposer

    def planned(self) -> int:
        """Return how many candidates a search makes that goes to its end.

        Raises:
            PawfectError: INVALID_ARG for parameters that the service would refuse.
        """
        params = SearchParams.parse(self.parameters)
        check_swap_consent(params)
        return search_plan(params).total

    def digest(self, pictures: TaskPictures) -> str:
        """Return SHA-256 of all that makes the candidates of a task what they are."""
        params = asdict(SearchParams.parse(self.parameters))
        told = {
            "parameters": {key: it for key, it in params.items() if key not in _OF_NO_CANDIDATE},
            "prompt": self.prompt,
            "version": __version__,
            "reading": asdict(self.reading),
            "pictures": dict(pictures.digests),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def account() -> str | None:
    """Return the name of the account that runs this, as a request may have it; None: no name."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container's user may be a number alone.
        return None
    return "".join(filter(str.isprintable, name))[:MAX_CALLER] or None
