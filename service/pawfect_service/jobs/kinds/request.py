"""What a job was asked for, as its document keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import Scalar
from pawfect_service.jobs.base import BASE_INPUT, Base
from pawfect_service.jobs.kinds.kind import Kind

# The field of a request that says which files it was queued with.
_DIGEST: Final = "digest"
# And the one that says how they were read.
_NOTE: Final = "note"
# And the one that says which variant chose what the request left open.
_VARIANT: Final = "variant"
# And the one that says which other version's picture it works on.
BASE: Final = "base"


@dataclass(frozen=True)
class JobRequest:
    """Parameters, and which files belong to them.

    Attributes:
        parameters: scalars of the kind's that were given.
        texts: those that were given, by name.
        optional: names of the kind's optional inputs that there are.
        digest: of the files, as `digest_of` gives it; None: not known.
        note: how the files were read, where that had to be found out.
        variant: which variant chose what the client left open; None: none was asked.
        base: the picture it works on, where another version of the run has it.
    """

    parameters: Mapping[str, Scalar]
    texts: Mapping[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    digest: str | None = None
    note: str | None = None
    variant: str | None = None
    base: Base | None = None

    def to_document(self) -> dict[str, Scalar]:
        """Return the document's `request`."""
        base = None if self.base is None else str(self.base)
        own = {_DIGEST: self.digest, _NOTE: self.note, _VARIANT: self.variant, BASE: base}
        known = {name: text for name, text in own.items() if text is not None}
        there = dict.fromkeys(self.optional, True)
        return {**self.parameters, **self.texts, **there, **known}

    @classmethod
    def of_document(cls, kind: Kind, fields: Mapping[str, Scalar]) -> JobRequest:
        """Return what a document's `request` says.

        Raises:
            PawfectError: INVALID_ARG for a parameter that is unknown, of another type or out of
                bounds: the document was edited by hand.
        """
        parameters = dict(fields)
        texts: dict[str, str] = {}
        for name in (*kind.texts, _DIGEST, _NOTE, _VARIANT, BASE):
            text = parameters.pop(name, None)
            if isinstance(text, str):
                texts[name] = text
            elif text is not None:
                raise invalid(f"request.{name}", "a text", type(text).__name__)
        digest, note, variant, base = (
            texts.pop(name, None) for name in (_DIGEST, _NOTE, _VARIANT, BASE)
        )
        # A text is the parameter of that name, such as protect=none.
        own = [name for name in kind.optional if not isinstance(parameters.get(name), str)]
        there = {name: parameters.pop(name, False) for name in own}
        for name, given in there.items():
            if not isinstance(given, bool):
                raise invalid(f"request.{name}", "true or false", type(given).__name__)
        kind.parse(parameters, texts)
        optional = tuple(name for name, given in there.items() if given)
        on = None if base is None else Base.parse(base)
        return cls(parameters, texts, optional, digest, note, variant, on)

    def files(self, kind: Kind) -> dict[str, str]:
        """Return the names of the session's own files that are the job's inputs, by input."""
        own = {name: file for name, file in kind.inputs.items() if not self.elsewhere(name)}
        return {**own, **{name: kind.optional[name] for name in self.optional}}

    def elsewhere(self, name: str) -> bool:
        """Say whether an input is another version's picture."""
        return self.base is not None and name == BASE_INPUT


def variant_of(document: Mapping[str, Any]) -> str | None:
    """Return which variant a stored document's job is of; None where it says none."""
    request = document.get("request")
    variant = request.get(_VARIANT) if isinstance(request, Mapping) else None
    return variant if isinstance(variant, str) else None


def base_of(request: Mapping[str, Any]) -> Base | None:
    """Return which other version's picture a document's `request` names.

    Raises:
        PawfectError: INVALID_ARG where it was edited into something else.
    """
    text = request.get(BASE)
    return Base.parse(text) if isinstance(text, str) else None


def digest_of(kind: Kind, files: Mapping[str, bytes]) -> str:
    """Return what tells the inputs of one job from those of another: SHA-256, hexadecimal."""
    whole = hashlib.sha256()
    for name in (*kind.inputs, *kind.optional):
        whole.update(hashlib.sha256(files.get(name, b"")).digest())
    return whole.hexdigest()
