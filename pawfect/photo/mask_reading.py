"""What marks the hole in a mask's picture: brightness, opacity, or what differs from the photo."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.photo.colour import rgb_and_alpha

# How far the channels of one painted colour may lie apart: lossy WebP and colour management move
# them.
_SAME_COLOUR: Final = 16
# A stroke at 50 % has an opacity of 127; from a quarter on it was painted, and what lacks a quarter
# was erased.
_PAINTED: Final = 64
_ERASED: Final = 255 - _PAINTED
# Darker than this, the brightest of a mask is a compressor's noise, not a stroke.
_DIM: Final = 32
# Levels by which an erased place differs from the photo, averaged over 5x5 px: JPEG's noise, which
# a copy that was saved again has everywhere, averages 3 to 8.
_DIFFERS: Final = 16
_DIFFERENCE_RADIUS_PX: Final = 2
# Levels by which a stroke differs from the ground that it was painted on.
_APART_FROM_GROUND: Final = 64
# More middle greys than this among what is painted, and it is a picture, no mask.
_MOST_GREY: Final = 0.2
_GREYS: Final = (64, 191)
# With this share of coloured pixels, where the eight most frequent colours of 4,096 are less than
# half of all, a picture is a photo or noise: strokes are flat, even as a JPEG.
_COLOURED: Final = 0.2
_FLAT_COLOURS: Final = 8
_FLAT_SHARE: Final = 0.5
# Pixels that tell what colours there are.
_SAMPLE: Final = 1_000_000
# More of a photo than this is not erased: it is another picture.
_MOST_ERASED: Final = 0.95


@dataclass(frozen=True, eq=False)
class MaskPicture:
    """A mask's picture.

    Attributes:
        rgb: UINT8 [H, W, 3]; None where the file has grey alone.
        luma: UINT8 [H, W], ITU-R 601.
        alpha: UINT8 [H, W], or None where it is opaque throughout.
    """

    rgb: NDArray[np.uint8] | None
    luma: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None

    @classmethod
    def of(cls, image: Image.Image) -> MaskPicture:
        """Return the planes of a loaded picture."""
        plain = not image.has_transparency_data and not image.info.get("icc_profile")
        if image.mode == "L" and plain:
            # What the way through RGB would give, for a fraction of the time.
            return cls(None, np.array(image), None)
        rgb, alpha, _ = rgb_and_alpha(image)
        clear = alpha is not None and alpha.min() < _ERASED
        return cls(rgb, np.array(Image.fromarray(rgb).convert("L")), alpha if clear else None)

    @property
    def colours(self) -> NDArray[np.uint8]:
        """UINT8 [H, W, 3]."""
        return np.repeat(self.luma[:, :, None], 3, axis=2) if self.rgb is None else self.rgb


@dataclass(frozen=True, eq=False)
class Reading:
    """What a picture is as a mask.

    Attributes:
        mask: UINT8 [H, W], >= 128 = fill.
        mask_is: how it was read: white, black, opaque, transparent or erased.
        note: why, where that had to be found out.
    """

    mask: NDArray[np.uint8]
    mask_is: str
    note: str | None = None


def share(flags: NDArray[np.bool_]) -> float:
    """Return how much of a picture is set, 0 to 1."""
    return float(np.count_nonzero(flags)) / flags.size


def read_by_default(picture: MaskPicture, name: str, *, smaller: bool = True) -> Reading:
    """Read a mask of which nothing was said; see `pawfect.photo.mask_file.decode_mask`.

    Args:
        picture: the mask's.
        name: what messages call it.
        smaller: whether of one colour with a transparent part the smaller side counts, or always
            what is painted.

    Raises:
        PawfectError: INVALID_ARG for several colours and transparency.
    """
    if picture.alpha is None:
        if picture.rgb is not None and _is_colourful(picture.rgb):
            expected = "black and white, or strokes of one colour"
            got = "a picture of many colours (mask_is=erased compares it with the photo)"
            raise invalid(name, expected, got)
        return _white(picture)
    kind = _kind(picture)
    if kind == "one colour":
        return _smaller_side(picture.alpha) if smaller else Reading(_opaque(picture), "opaque")
    if kind == "picture":
        expected = "black and white, or one colour on a transparent ground"
        got = "several colours and transparency (mask_is=erased fills what is transparent, opaque "
        raise invalid(name, expected, got + "what is not)")
    return _white(picture)


def read_as(
    mask_is: str, picture: MaskPicture, photo: NDArray[np.uint8] | None, name: str
) -> Reading:
    """Read a mask as it was said.

    Args:
        mask_is: one of `pawfect.contract.parameters.MASK_IS`.
        picture: the mask's.
        photo: UINT8 [H, W, 3], which an `erased` mask without transparency is compared with.
        name: what messages call it.

    Raises:
        PawfectError: INVALID_ARG for opaque and transparent of a picture without transparency, and
            for one that is not the photo with something erased.
    """
    if mask_is == "auto":
        return _looked_at(picture, photo)
    if mask_is == "white":
        return _white(picture)
    if mask_is == "black":
        dark = picture.luma < MASK_THRESHOLD
        return Reading(_as_mask(dark & _painted(picture)), "black")
    if picture.alpha is not None:
        mask = _opaque(picture) if mask_is == "opaque" else _as_mask(picture.alpha < _ERASED)
        return Reading(mask, mask_is)
    if mask_is != "erased":
        raise invalid(name, f"a mask with transparency, of which mask_is={mask_is} speaks", "none")
    return _erased(picture, photo, name)


def _white(picture: MaskPicture) -> Reading:
    """Read by brightness; what nowhere is bright by what is half as bright as its brightest."""
    luma = picture.luma
    if picture.alpha is not None:
        luma = np.where(_painted(picture), luma, 0).astype(np.uint8)
    brightest = int(luma.max())
    dim = _DIM <= brightest < MASK_THRESHOLD
    if picture.alpha is None and not dim:
        return Reading(luma, "white")
    return Reading(_as_mask(luma >= (brightest / 2 if dim else MASK_THRESHOLD)), "white")


def _smaller_side(alpha: NDArray[np.uint8]) -> Reading:
    painted, clear = alpha >= _PAINTED, alpha < _ERASED
    if share(clear) < share(painted):
        note = f"one colour; its transparent part, {share(clear):.1%}, is taken for the hole"
        return Reading(_as_mask(clear), "transparent", f"{note}: the smaller side")
    note = f"one colour; what is painted, {share(painted):.1%}, is taken for the hole"
    return Reading(_as_mask(painted), "opaque", f"{note}: the smaller side")


def _looked_at(picture: MaskPicture, photo: NDArray[np.uint8] | None) -> Reading:
    """Read a mask as what it looks like."""
    if picture.alpha is not None:
        kind = _kind(picture)
        if kind == "one colour":
            return _smaller_side(picture.alpha)
        if kind == "picture":
            clear = picture.alpha < _ERASED
            note = f"a picture of which {share(clear):.1%} is erased to transparency"
            return Reading(_as_mask(clear), "erased", note)
    ground = _ground(picture)
    if photo is not None and picture.alpha is None and share(ground) < 0.5:
        differs = _differing(picture, photo)
        if share(differs) < 0.5:
            note = f"the photo itself, of which {share(differs):.1%} is painted over"
            return Reading(_as_mask(differs), "erased", note)
    strokes = ~ground & _painted(picture)
    other = ground & _painted(picture)
    part, said = (strokes, "strokes") if share(strokes) <= share(other) else (other, "ground")
    bright = bool(picture.luma[part].mean() >= MASK_THRESHOLD) if part.any() else True
    note = f"its {said}, {share(part):.1%}, taken for the hole: the smaller side"
    return Reading(_as_mask(part), "white" if bright else "black", note)


def _erased(picture: MaskPicture, photo: NDArray[np.uint8] | None, name: str) -> Reading:
    expected = "the photo itself with something erased"
    if photo is None:
        raise invalid(name, expected, "no photo to compare it with")
    differs = _differing(picture, photo)
    if not 0 < share(differs) <= _MOST_ERASED:
        raise invalid(name, expected, f"a picture that differs from it in {share(differs):.1%}")
    return Reading(_as_mask(differs), "erased")


def _differing(picture: MaskPicture, photo: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say where a picture differs from the photo, which is scaled to its size; BOOL [H, W]."""
    own, original = Image.fromarray(picture.colours), Image.fromarray(photo)
    if original.size != own.size:
        original = original.resize(own.size, Image.Resampling.BOX)
    apart = _apart(own, original).filter(ImageFilter.BoxBlur(_DIFFERENCE_RADIUS_PX))
    return np.asarray(apart) >= _DIFFERS


def _ground(picture: MaskPicture) -> NDArray[np.bool_]:
    """Say what has about the most frequent colour of what is painted; BOOL [H, W]."""
    step = _sampling(picture.luma)
    painted = _painted(picture)[::step, ::step]
    colours = picture.colours
    sample = colours[::step, ::step][painted]
    if sample.size == 0:
        return np.zeros(picture.luma.shape, np.bool_)
    bins = _coarse(sample)
    own = sample[bins == np.bincount(bins).argmax()].mean(axis=0).round().astype(int)
    whole = Image.fromarray(colours)
    flat = Image.new("RGB", whole.size, tuple(map(int, own)))
    return np.asarray(_apart(whole, flat)) <= _APART_FROM_GROUND


def _apart(one: Image.Image, other: Image.Image) -> Image.Image:
    """Return by how many levels two pictures differ in the channel where they differ most."""
    red, green, blue = ImageChops.difference(one, other).split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _is_colourful(rgb: NDArray[np.uint8]) -> bool:
    """Say whether colours UINT8 [H, W, 3] are a picture's rather than those of some strokes."""
    step = _sampling(rgb)
    sample = rgb[::step, ::step].reshape(-1, 3)
    if share(np.ptp(sample, axis=1) > _SAME_COLOUR) < _COLOURED:
        return False
    counts = np.bincount(_coarse(sample))
    return float(np.sort(counts)[-_FLAT_COLOURS:].sum()) < _FLAT_SHARE * len(sample)


def _sampling(plane: NDArray[Any]) -> int:
    """Return the step at which a picture [H, W, ...] is sampled where every pixel is not needed."""
    return math.ceil(math.sqrt(plane.shape[0] * plane.shape[1] / _SAMPLE))


def _coarse(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the numbers of colours [N, 3] of 16 levels a channel; INT32 [N]."""
    red, green, blue = (colours >> 4).astype(np.int32).T
    return np.asarray((red << 8) | (green << 4) | blue)


def _kind(picture: MaskPicture) -> Literal["one colour", "greys", "picture"]:
    """Say what is painted on a transparent ground: one colour, greys or a picture."""
    assert picture.alpha is not None
    painted = picture.colours[picture.alpha >= MASK_THRESHOLD]
    if painted.size == 0:
        painted = picture.colours[picture.alpha >= _PAINTED]
    if painted.size == 0:
        return "one colour"
    if np.ptp(painted, axis=0).max() <= _SAME_COLOUR:
        return "one colour"
    least, most = _GREYS
    middle = share((painted[:, 1] >= least) & (painted[:, 1] <= most))
    coloured = np.ptp(painted, axis=1).max() > _SAME_COLOUR
    return "picture" if coloured or middle > _MOST_GREY else "greys"


def _painted(picture: MaskPicture) -> NDArray[np.bool_]:
    if picture.alpha is None:
        return np.ones(picture.luma.shape, np.bool_)
    return picture.alpha >= _PAINTED


def _opaque(picture: MaskPicture) -> NDArray[np.uint8]:
    return _as_mask(_painted(picture))


def _as_mask(flags: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return UINT8 [H, W], 255 where a flag is set."""
    return flags.view(np.uint8) * np.uint8(255)
