"""From a photo to its cut-out: what is asked for, and what becomes of the answer.

A photo's own transparency is laid on white before anything is asked; in the cut-out nothing is less
transparent than it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.photo.colour import converted, in_three, through_grey_profile
from pawfect.photo.deep import in_16_bits
from pawfect.photo.formats import WRITTEN_AS
from pawfect.photo.photo import Photo
from pawfect.photo.saving import FEWER_BITS, check_format, check_quality, losses

# Of `pawfect.contract.cutout.OUTPUTS`: what has no ground, and what is no picture in colour.
_TRANSPARENT: Final = "rgba"
_MAP: Final = "map"
# What a grey photo may be laid on and stay grey.
_GREY_GROUNDS: Final = frozenset({_TRANSPARENT, _MAP, "white", "blur"})

Plane = NDArray[np.uint8]
Rgb = NDArray[np.uint8]


def format_of(photo_format: str, output: str, named: str | None) -> str:
    """Return what a cut-out is written as, one of `pawfect.photo.formats.WRITTEN`.

    Args:
        photo_format: the photo's own, of `pawfect.photo.formats.FORMATS`.
        output: what it is laid on, as `CutoutParams.laid_on` says.
        named: what was asked for; None: PNG for rgba and map, else the photo's own.
    """
    if named is not None:
        return named
    if output in (_TRANSPARENT, _MAP):
        return "PNG"
    return WRITTEN_AS.get(photo_format, photo_format)


def check_cutout(photo: Photo, output: str, kind: str, quality: int | None, name: str) -> None:
    """Raise INVALID_ARG where a format cannot hold a cut-out, or has no such quality.

    Args:
        photo: what is cut out.
        output: as in `format_of`.
        kind: the format, one of `pawfect.photo.formats.WRITTEN`.
        quality: 1 to 100 or None.
        name: what messages call the format's place.
    """
    check_format(photo, kind, name, transparent=output == _TRANSPARENT)
    check_quality(quality, kind)


@dataclass(frozen=True, eq=False)
class Cutting:
    """A photo that is to be cut out.

    Attributes:
        photo: in the colours of the result: a grey one is RGB where it is laid on colours.
        image: UINT8 [H, W, 3], what is asked for.
        background: UINT8 [h, w, 3] in the same colours, what it is laid on, or None.
        output: as in `format_of`.
    """

    photo: Photo
    image: Rgb
    background: Rgb | None
    output: str

    def cut(self, alpha: Plane, cutout: NDArray[np.uint8]) -> Photo:
        """Return the photo to be written; its XMP says how it was changed.

        Args:
            alpha: UINT8 [H, W], 255 = subject.
            cutout: UINT8 [H, W, 4], the subject on what it is laid on.
        """
        if self.output == _MAP:
            pixels = in_three(self._at_most_as_it_was(alpha))
            # A colour profile says nothing of alpha.
            made = replace(
                _opaque(self.photo), pixels=pixels, deep=None, icc_profile=None, grey=True
            )
        elif self.output == _TRANSPARENT:
            made = self._cut_free(self._at_most_as_it_was(alpha), cutout)
        else:
            made = _opaque(self.photo).with_pixels(np.ascontiguousarray(cutout[:, :, :3]))
        return made.changed_by("cutout" if self.background is None else "background")

    def _at_most_as_it_was(self, alpha: Plane) -> Plane:
        own = self.photo.alpha
        if own is None:
            return alpha
        # Rounded: 255 times 255 is 255 again.
        return ((alpha.astype(np.uint16) * own + 127) // 255).astype(np.uint8)

    def _cut_free(self, alpha: Plane, cutout: NDArray[np.uint8]) -> Photo:
        pixels, own = cutout[:, :, :3].copy(), self.photo.alpha
        if own is not None:
            # Its own colours, not those that it has on white.
            np.copyto(pixels, self.photo.pixels, where=((own > 0) & (own < 255))[:, :, None])
        # What was removed does not stay under what cannot be seen.
        pixels[alpha == 0] = 0
        made = _opaque(self.photo).with_pixels(pixels)
        deep = made.deep
        if deep is not None:
            deep = np.dstack([deep, in_16_bits(alpha)])
        return replace(made, alpha=alpha, deep=deep)


def cutting(photo: Photo, background: Photo | None, output: str) -> Cutting:
    """Return what is to be asked of a photo.

    Args:
        photo: what is to be cut out.
        background: what it is laid on, of any size, where `output` is background, or None.
        output: as in `format_of`.
    """
    base = photo if output in _GREY_GROUNDS or not photo.grey else _in_colour(photo)
    ground = None
    if background is not None and output == "background":
        own = _in_colour(background) if background.grey else background
        ground = converted(_on_white(own), own.icc_profile, base.icc_profile)
    return Cutting(base, _on_white(base), ground, output)


def cutout_losses(photo: Photo, made: Photo, kind: str, output: str) -> tuple[str, ...]:
    """Return what of a photo its cut-out does not hold, in words for people.

    Args:
        photo: as its file was read.
        made: what is written.
        kind: the format of it.
        output: as in `format_of`.
    """
    fewer = photo.deep is not None and made.deep is None and output != _MAP
    return (FEWER_BITS,) * fewer + losses(made, kind)


def _in_colour(photo: Photo) -> Photo:
    """Return a grey photo as RGB: with a profile in sRGB and 8 bits, else its own samples."""
    if photo.icc_profile is not None:
        pixels = through_grey_profile(photo.pixels, photo.icc_profile)
        return replace(photo, pixels=pixels, icc_profile=None, grey=False, deep=None)
    deep = photo.deep
    if deep is not None:
        deep = np.dstack([deep[:, :, :1]] * 3 + [deep[:, :, 1:]])
    return replace(photo, grey=False, deep=deep)


def _opaque(photo: Photo) -> Photo:
    """Return a photo without its alpha."""
    if photo.alpha is None:
        return photo
    deep = photo.deep
    if deep is not None:
        deep = np.ascontiguousarray(deep[:, :, : 1 if photo.grey else 3])
    return replace(photo, alpha=None, deep=deep)


def _on_white(photo: Photo) -> Rgb:
    if not photo.has_transparency:
        return photo.pixels
    assert photo.alpha is not None
    laid = photo.pixels.copy()
    # Row by row: 16 bits of a large photo take 660 MB.
    for row, alpha in zip(laid, photo.alpha, strict=True):
        weight = alpha[:, None].astype(np.uint16)
        row[:] = (row * weight + 255 * (255 - weight) + 127) // 255
    return laid
