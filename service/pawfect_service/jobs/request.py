"""What a job was asked for, as its document keeps it beside the files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.parameters import Scalar
from pawfect_service.jobs.kinds import Kind

_DIGEST: Final = "digest"


@dataclass(frozen=True)
class JobRequest:
    """Parameters, and which files belong to them.

    Attributes:
        parameters: scalars of the kind's that were given.
        texts: those that were given, by name.
        optional: names of the kind's optional inputs that there are.
        digest: of the files, as `digest_of` gives it; None: not known.
    """

    parameters: Mapping[str, Scalar]
    texts: Mapping[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    digest: str | None = None

    def to_document(self) -> dict[str, Scalar]:
        """Return the document's `request`."""
        digest = {} if self.digest is None else {_DIGEST: self.digest}
        there = dict.fromkeys(self.optional, True)
        return {**self.parameters, **self.texts, **there, **digest}

    @classmethod
    def of_document(cls, kind: Kind, fields: Mapping[str, Scalar]) -> JobRequest:
        """Return what a document's `request` says.

        Raises:
            PawfectError: INVALID_ARG for a parameter that is unknown, of another type or out of
                bounds: the document was edited by hand.
        """
        parameters = dict(fields)
        texts: dict[str, str] = {}
        for name in (*kind.texts, _DIGEST):
            text = parameters.pop(name, None)
            if isinstance(text, str):
                texts[name] = text
            elif text is not None:
                raise invalid(f"request.{name}", "a text", type(text).__name__)
        digest = texts.pop(_DIGEST, None)
        there = {name: parameters.pop(name, False) for name in kind.optional}
        for name, given in there.items():
            if not isinstance(given, bool):
                raise invalid(f"request.{name}", "true or false", type(given).__name__)
        kind.parse(parameters, texts)
        optional = tuple(name for name, given in there.items() if given)
        return cls(parameters, texts, optional, digest)

    def files(self, kind: Kind) -> dict[str, str]:
        """Return the names of the session's files that are the job's inputs, by input."""
        return {**kind.inputs, **{name: kind.optional[name] for name in self.optional}}


def digest_of(kind: Kind, files: Mapping[str, bytes]) -> str:
    """Return what tells the inputs of one job from those of another: SHA-256, hexadecimal."""
    whole = hashlib.sha256()
    for name in (*kind.inputs, *kind.optional):
        whole.update(hashlib.sha256(files.get(name, b"")).digest())
    return whole.hexdigest()


def missing_file(name: str) -> PawfectError:
    """Return the error of a session whose file is no longer there."""
    return invalid(name, "a file in storage", "none")
