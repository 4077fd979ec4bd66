"""What a job was asked for, as its document keeps it beside the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import InpaintParams, Scalar

_PROMPT: Final = "prompt"
_DIGEST: Final = "digest"
_PROTECT: Final = "protect"


@dataclass(frozen=True)
class JobRequest:
    """Parameters and prompt, and which files belong to them.

    Attributes:
        parameters: the scalars of InpaintParams that were given.
        prompt: text for FLUX, or None.
        protect: whether there is a protect.png.
        digest: of the files, as `pictures.digest_of` gives it; None: not known.
    """

    parameters: Mapping[str, Scalar]
    prompt: str | None = None
    protect: bool = False
    digest: str | None = None

    def to_document(self) -> dict[str, Scalar]:
        """Return the document's `request`."""
        fields: dict[str, Scalar] = dict(self.parameters)
        if self.prompt is not None:
            fields[_PROMPT] = self.prompt
        if self.protect:
            fields[_PROTECT] = True
        if self.digest is not None:
            fields[_DIGEST] = self.digest
        return fields

    @classmethod
    def of_document(cls, fields: Mapping[str, Scalar]) -> JobRequest:
        """Return what a document's `request` says.

        Raises:
            PawfectError: INVALID_ARG for a parameter that is unknown, of another type or out of
                bounds: the document was edited by hand.
        """
        parameters = dict(fields)
        prompt, digest = parameters.pop(_PROMPT, None), parameters.pop(_DIGEST, None)
        protect = parameters.pop(_PROTECT, False)
        for name, text in ((_PROMPT, prompt), (_DIGEST, digest)):
            if text is not None and not isinstance(text, str):
                raise invalid(f"request.{name}", "a text", type(text).__name__)
        if not isinstance(protect, bool):
            raise invalid(f"request.{_PROTECT}", "true or false", type(protect).__name__)
        InpaintParams.parse(parameters)
        return cls(
            parameters,
            prompt if isinstance(prompt, str) else None,
            protect,
            digest if isinstance(digest, str) else None,
        )
