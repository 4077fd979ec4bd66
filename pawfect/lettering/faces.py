"""The bundled faces: what there is, what each can write, and fonts of them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from PIL import ImageFont

FOLDER: Final = Path(__file__).with_name("fonts")
EM: Final = 128
"""px: the size at which letters are drawn. Above nearly all letters of photos, so they shrink."""

_ABSENT: Final = "\U0010fffd"  # private: no face has it, so it shows what stands for a missing one


@dataclass(frozen=True)
class Face:
    """A typeface.

    Attributes:
        name: of its folder.
        kind: sans, condensed, rounded, serif, slab, mono, script, hand or display.
        files: by weight, 100 to 1000; under `any` where one file holds all weights.
        weights: the lightest and the heaviest there is.
        widths: the narrowest and the widest, % of the usual one; None where there is one alone.
        caseless: whether its small letters look like capitals.
    """

    name: str
    kind: str
    files: tuple[tuple[str, str], ...]
    weights: tuple[int, int]
    widths: tuple[int, int] | None
    caseless: bool

    @property
    def varies(self) -> bool:
        """Whether it has every weight between its bounds."""
        return self.files[0][0] == "any"

    def cuts(self) -> tuple[Cut, ...]:
        """Return the cuts with which the search for the closest one begins."""
        if not self.varies:
            return tuple(Cut(self, int(weight), 100) for weight, _ in self.files)
        low, high = self.weights
        weights = sorted({low, min(max(400, low), high), min(max(700, low), high), high})
        widths = {100} if self.widths is None else {self.widths[0], 100, self.widths[1]}
        return tuple(Cut(self, weight, width) for width in sorted(widths) for weight in weights)


@dataclass(frozen=True)
class Cut:
    """A face at one weight and one width."""

    face: Face
    weight: int
    width: int

    def weighing(self, weight: int) -> Cut:
        """Return the cut at another weight, within what the face has; itself where it has one."""
        if not self.face.varies:
            return self
        low, high = self.face.weights
        return Cut(self.face, min(max(weight, low), high), self.width)

    @property
    def title(self) -> str:
        """Return what a report calls it."""
        return f"{self.face.name} {self.weight}" + (f" {self.width} %" * (self.width != 100))


@cache
def faces() -> tuple[Face, ...]:
    """Return the bundled faces in the order of their table."""
    table = tomllib.loads((FOLDER / "faces.toml").read_text("utf-8"))
    return tuple(_face(name, row) for name, row in table.items())


def _face(name: str, row: dict[str, Any]) -> Face:
    files = tuple((str(weight), str(file)) for weight, file in row["files"].items())
    known = [int(weight) for weight, _ in files if weight != "any"] or row["weights"]
    widths = row.get("widths")
    return Face(
        name=name,
        kind=row["kind"],
        files=files,
        weights=(min(known), max(known)),
        widths=None if widths is None else (widths[0], widths[1]),
        caseless=row.get("caseless", False),
    )


@lru_cache(512)
def font(cut: Cut, px: int = EM) -> ImageFont.FreeTypeFont:
    """Open a cut at a size of the em, px."""
    weight = "any" if cut.face.varies else str(cut.weight)
    file = FOLDER / cut.face.name / dict(cut.face.files)[weight]
    loaded = ImageFont.truetype(str(file), px)
    if cut.face.varies:
        # Both axes always come in this order.
        axes: list[float] = [cut.weight]
        if cut.face.widths is not None:
            axes.append(cut.width)
        loaded.set_variation_by_axes(axes)
    return loaded


@lru_cache(4096)
def _has(face: Face, letter: str) -> bool:
    if letter == " ":
        return True
    drawn = font(face.cuts()[0], 40)
    mask, absent = drawn.getmask(letter), drawn.getmask(_ABSENT)
    return mask.size != absent.size or bytes(mask) != bytes(absent)


def can_write(face: Face, text: str) -> bool:
    """Tell whether a face has every letter of a text, and tells small ones from capitals."""
    if face.caseless and any(letter.islower() for letter in text):
        return False
    return all(_has(face, letter) for letter in text)


def missing(text: str) -> str:
    """Return the letters of a text that no bundled face has, each once, in its order."""
    lacking = (one for one in text if not any(_has(face, one) for face in faces()))
    return "".join(dict.fromkeys(lacking))


def faces_for(text: str) -> tuple[Face, ...]:
    """Return the faces that can write a text; all but one or two where it is plain."""
    return tuple(face for face in faces() if can_write(face, text))
