"""Masks from what people have: painted, erased, inverted, scaled."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import MaskFileParams
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.photo.exif import turn_upright
from pawfect.photo.image_file import decode_file, read_file
from pawfect.photo.mask_reading import MaskPicture, Reading, read_as, read_by_default, share
from pawfect.photo.photo import Photo, PhotoSize

# Nobody replaces more of a photo than this without knowing: it is read the wrong way round.
MOST_WITHOUT_A_WORD: Final = 0.95


@dataclass(frozen=True, eq=False)
class MaskFile:
    """A mask's file as it was understood.

    Attributes:
        mask: UINT8 [H, W], >= 128 = fill.
        mask_is: how it was read: white, black, opaque, transparent or erased.
        note: why, where that had to be found out, and whether it was scaled; None where there is
            nothing to say.
        as_stored: whether the file's own brightness is the mask.
    """

    mask: NDArray[np.uint8]
    mask_is: str
    note: str | None
    as_stored: bool


def load_mask(
    path: Path | str,
    photo: Photo | None = None,
    *,
    mask_is: str | None = None,
    invert_mask: bool = False,
    fit_mask: bool = False,
) -> NDArray[np.uint8]:
    """Read a mask from a file; see `decode_mask`."""
    params = _params(mask_is, invert_mask, fit_mask)
    return _told(load_mask_file(path, photo, params), mask_is)


def decode_mask(
    data: bytes,
    photo: Photo | PhotoSize | None = None,
    name: str = "mask",
    *,
    mask_is: str | None = None,
    invert_mask: bool = False,
    fit_mask: bool = False,
) -> NDArray[np.uint8]:
    """Read a mask from the content of a file.

    `mask_is` says what marks the hole; see `pawfect.contract.parameters.MaskFileParams`. Where it
    says nothing:

    - Without transparency: the brightness (ITU-R 601 luma). White = fill, black = keep; strokes
      that are nowhere bright, white at 50 % on black for one, are strokes.
      A picture of many colours is refused.
    - With transparency, painted in one colour, whatever it is: the smaller of what is painted and
      what is not. Half-transparent strokes are painted. A warning says so where it is what is not.
    - With transparency, painted in greys: the brightness of what is painted.
    - With transparency and several colours it is no mask (a photo with a hole cut out, for one,
      where what is transparent is meant: `erased`) and is refused.
    - What would cover more than 95 % of the photo, but not all of it, is refused.

    Args:
        data: the file's content; its EXIF orientation is honoured.
        photo: the photo that it belongs to, upright, or its size: the sizes must agree; None: not
            compared. `erased` without transparency needs the photo.
        name: what messages call it.
        mask_is: one of white, black, opaque, transparent, erased, auto; or None.
        invert_mask: whether fill and keep change places.
        fit_mask: whether a mask of another size, but of the photo's shape, is scaled to it, each
            pixel as its nearest.

    Returns:
        UINT8 [H, W], >= 128 = fill.

    Raises:
        PawfectError: INVALID_ARG as `decode_photo` does, for another size, for many colours, for
            a reading that the file has nothing for, and for a mask that covers nearly everything.
    """
    params = _params(mask_is, invert_mask, fit_mask)
    return _told(decode_mask_file(data, photo, name, params), mask_is)


def decode_protect(
    data: bytes,
    photo: Photo | PhotoSize | None = None,
    name: str = "protect",
    *,
    fit_mask: bool = False,
) -> NDArray[np.uint8]:
    """Read from a file's content what must never be filled: white, or what one colour paints.

    Returns and raises as `decode_mask`, but that any share of the photo may be protected.
    """
    picture = _picture(data, photo, name, fit=fit_mask)
    return _fitted(read_by_default(picture, name, smaller=False).mask, photo)


def load_protect(
    path: Path | str, photo: Photo | None = None, *, fit_mask: bool = False
) -> NDArray[np.uint8]:
    """Read from a file what must never be filled; see `decode_protect`."""
    path = Path(path)
    return decode_protect(read_file(path, path.name), photo, path.name, fit_mask=fit_mask)


def load_mask_file(path: Path | str, photo: Photo | None, params: MaskFileParams) -> MaskFile:
    """Read a mask from a file; see `decode_mask_file`."""
    path = Path(path)
    return decode_mask_file(read_file(path, path.name), photo, path.name, params)


def decode_mask_file(
    data: bytes,
    photo: Photo | PhotoSize | None,
    name: str,
    params: MaskFileParams,
) -> MaskFile:
    """Read a mask from a file's content, and say how; see `decode_mask` for the rest."""
    picture = _picture(data, photo, name, fit=params.fit_mask)
    if params.mask_is is None:
        reading = read_by_default(picture, name)
    else:
        pixels = photo.pixels if isinstance(photo, Photo) else None
        reading = read_as(params.mask_is, picture, pixels, name)
    mask = reading.mask
    if params.invert_mask:
        mask = np.where(mask >= MASK_THRESHOLD, 0, 255).astype(np.uint8)
    if params.mask_is is None:
        _check_share(mask, reading, name, inverted=params.invert_mask)
    fitted = _fitted(mask, photo)
    scaled = None if fitted is mask else f"scaled from {mask.shape[1]}x{mask.shape[0]}"
    notes, as_stored = (reading.note, scaled), fitted is picture.luma
    return MaskFile(fitted, reading.mask_is, ", ".join(filter(None, notes)) or None, as_stored)


def check_same_size(size: tuple[int, int], photo: Photo | PhotoSize, name: str) -> None:
    """Raise INVALID_ARG where a mask of this (width, height), upright, is not of the photo's."""
    if size == photo.size:
        return
    expected = f"the photo's size {photo.size[0]}x{photo.size[1]}"
    got = f"{size[0]}x{size[1]}"
    if size == photo.stored_size:
        expected += " as it is seen, turned upright by its EXIF orientation"
        got += " as it is stored"
    elif _same_shape(size, photo.size):
        got += " of the same shape, which fit_mask scales to it"
    raise invalid(name, expected, got)


def _params(mask_is: str | None, invert_mask: bool, fit_mask: bool) -> MaskFileParams:
    given = {"mask_is": mask_is, "invert_mask": invert_mask, "fit_mask": fit_mask}
    return MaskFileParams.parse({name: value for name, value in given.items() if value is not None})


def _told(read: MaskFile, asked: str | None) -> NDArray[np.uint8]:
    """Return the mask; warn where nobody said that it is what the file leaves transparent."""
    if asked is None and read.mask_is == "transparent":
        warnings.warn(f"mask: {read.note}", stacklevel=3)
    return read.mask


def _picture(data: bytes, photo: Photo | PhotoSize | None, name: str, *, fit: bool) -> MaskPicture:
    """Decode a mask's file; INVALID_ARG for a size that is not the photo's."""
    upright = decode_file(data, name).image
    turn_upright(upright)
    if photo is not None and not (fit and _same_shape(upright.size, photo.size)):
        check_same_size(upright.size, photo, name)
    return MaskPicture.of(upright)


def _fitted(mask: NDArray[np.uint8], photo: Photo | PhotoSize | None) -> NDArray[np.uint8]:
    """Return a mask at the photo's size, each pixel as its nearest."""
    if photo is None or (mask.shape[1], mask.shape[0]) == photo.size:
        return mask
    return np.array(Image.fromarray(mask).resize(photo.size, Image.Resampling.NEAREST))


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Say whether one size is the other scaled, each side rounded to a pixel of the smaller."""
    (w, h), (width, height) = sorted((one, other))
    return abs(w * height - h * width) <= max(width, height)


def _check_share(mask: NDArray[np.uint8], reading: Reading, name: str, *, inverted: bool) -> None:
    """Raise INVALID_ARG for a mask that covers nearly everything though nobody said so."""
    covered = share(mask >= MASK_THRESHOLD)
    if not MOST_WITHOUT_A_WORD < covered < 1:
        return
    taken = f"{reading.mask_is} = fill" + (", inverted" if inverted else "")
    other = {"white": "black", "black": "white", "opaque": "transparent", "transparent": "opaque"}
    choice = f"mask_is={reading.mask_is} or mask_is={other[reading.mask_is]}"
    raise invalid(
        name,
        f"at most {MOST_WITHOUT_A_WORD:.0%} of the photo to fill where mask_is does not say how "
        f"the mask is meant",
        f"{covered:.1%} with {taken}, {1 - covered:.1%} the other way round ({choice})",
    )
