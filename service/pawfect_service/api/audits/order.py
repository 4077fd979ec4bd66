"""What the start of an audit brings: a matrix, texts, and perhaps the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Final

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import Parameters
from pawfect.contract.tables import Rule, matching
from pawfect.contract.texts import check_texts
from pawfect.photo.mask_file import check_same_size
from pawfect.photo.photo import size_in_header

_NAME: Final = r"[A-Za-z0-9_-]{1,64}"
_TEXT: Final = Rule(lambda text: "\0" not in text, "a text, neither empty nor with a zero byte")


@dataclass(frozen=True)
class AuditParams(Parameters):
    """Parameters of an audit.

    Attributes:
        matrix: what is tried, one of those of perf/audit/matrices; without it the answer says which
            there are, and how many cells each has for one session.
        prompts: an object of texts by the names that the matrix's axis `prompt` has beside `none`
            and `labels`.
        retry_failed: whether cells that failed before are run again.
    """

    matrix: Annotated[str, matching(_NAME, "a matrix's name")] | None = None
    prompts: Mapping[str, Annotated[str, _TEXT]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    retry_failed: bool = False


class AuditForm:
    """What a POST may bring."""

    fields: Mapping[str, bool] = {"truth": False}
    texts: tuple[str, ...] = ()

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> Mapping[str, Any]:
        """Return the parameters that were given; INVALID_ARG for one that is wrong."""
        parsed = AuditParams.parse(parameters)
        check_texts("prompts", list(parsed.prompts.values()))
        for name in parsed.prompts:
            if matching(_NAME, "").fits(name) is False:
                raise invalid(
                    "prompts", "names of 1 to 64 letters, digits, _ or -", repr(name[:64])
                )
        return parameters


def check_matrix(name: str | None, cells: Mapping[str, int]) -> str:
    """Return the name of a matrix that there is.

    Args:
        name: as it was asked for.
        cells: of each matrix.
    """
    if name is not None and name in cells:
        return name
    known = ", ".join(f"{each} ({count} cells)" for each, count in sorted(cells.items()))
    raise invalid("matrix", f"one of {known}", name or "none")


def session_files(files: Mapping[str, bytes], truth: bytes | None) -> dict[str, bytes]:
    """Return the pictures of a session by the names that `pawfect audit run --session` knows.

    Args:
        files: of the session's job, `original`, `mask` and perhaps `protect` among them.
        truth: the photo without what is to vanish, or None.

    Raises:
        PawfectError: INVALID_ARG for a session without photo or mask, and for a truth that is no
            picture or of another size.
    """
    for name in ("original", "mask"):
        if name not in files:
            raise invalid("session", f"one with {name}, as an inpainting has it", "none")
    named = {"photo.jpg": files["original"], "mask.png": files["mask"]}
    if "protect" in files:
        named["protect.png"] = files["protect"]
    if truth is not None:
        check_same_size(
            size_in_header(truth, "truth").size, size_in_header(files["original"]), "truth"
        )
        # Of whichever format: it is known by its content.
        named["truth"] = truth
    return named
