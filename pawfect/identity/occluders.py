"""What lies before a face and is no skin: a dark, grey or white paw, a black strap, dark strands.

Skin is never grey: its colour has chroma at any brightness, of anybody's. What is far greyer than
the face's own cheeks, or far darker, and goes on outside of the face, lies before it. Brown and
tan fur has skin's own hue, and a hand is skin: neither is found here, PROTECT says where they are.
Eyes, brows, lips and nostrils are features; a beard stays the face's.

Measured on seven faces of two photos with a dog's fur pasted over them, 84 pictures: intersection
over union 0.79 for black, 0.87 for grey, 0.47 for white, 0.01 for tan; with a cat's
(tests/pawfect/identity/paws.py) 0.72, 0.74 and 0.60. Nothing is found on the faces as they are,
darker, half as colourful, as JPEGs of quality 20, or with noise; in cool or very dark light 0.06
to 0.18 of one face in four; of 21 painted beards two black ones are taken for something before the
face. Tried and worse: distance from the cheeks' colour in CIELAB (0.33 in all; a fifth of a face
is lost to its shadows), OpenCV's GrabCut seeded by it (0.29).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import Face
from pawfect.identity.alignment import inverse, transformed
from pawfect.identity.shape import Frame, frame_of
from pawfect.picture import raster

# px: the face is looked at upright, with this much from its eyes to its mouth, in such a square,
# its eyes' middle here.
_UNIT: Final = 32.0
_SIDE: Final = 160
_EYES_AT: Final = (80.0, 48.0)
# px: colours are means over about so much.
_SMOOTH_PX: Final = 1.2
# Of the cheeks' chroma, their lower third: greyer is no skin. 0.5 finds more of white fur and takes
# a fifth of some faces in cool light.
_GREY: Final = 0.45
# Of the cheeks' lightness, at less chroma than theirs: darker is no skin.
_DARK: Final = 0.42
_DARK_CHROMA: Final = 0.8
# Hues of skin in degrees, and its least chroma: where cheeks have others the photo is grey or in
# coloured light, and nothing is known.
_SKIN_HUES: Final = (15.0, 100.0)
_LEAST_CHROMA: Final = 6.0
_LEAST_CHEEKS: Final = 3
# Of the face, and px deep into it: less is noise at its edge.
_LEAST_SHARE: Final = 0.02
_LEAST_DEPTH: Final = 0.15 * _UNIT
_LEAST_TOUCH: Final = 4
# px: as far outside of the face it goes on, in its own colour (CIE76, lightness counting less).
_LEAST_REACH: Final = 0.35 * _UNIT
_OWN_COLOUR: Final = 14.0
_LIGHTNESS_LESS: Final = 1.5
# A beard is about the same on both sides and leaves the mouth free.
_BOTH_SIDES: Final = 0.6
_MOUTH_FREE: Final = 0.5
_EYE, _MOUTH, _NOSE = 1, 2, 3

Flags = NDArray[np.bool_]


def before_face(photo: NDArray[np.uint8], face: Face, shape: Flags) -> Flags:
    """Return what lies before a face.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        face: in it.
        shape: [H, W], where the face is, of `face_shape`.

    Returns:
        Flags [H, W], of what is found within the shape and beside it; none where nothing is sure.
    """
    found = np.zeros(shape.shape, np.bool_)
    frame = frame_of(face.points)
    if frame is None or not shape.any():
        return found
    view = _view(photo, face, shape, frame)
    before = _before(view)
    if before.any():
        at = raster.surrounding(shape, 0)
        back = view.matrix.copy()
        corner = np.array([at[1].start, at[0].start], np.float64)
        back[:, 2] += back[:, :2] @ corner
        height, width = shape[at].shape
        found[at] = _warped(before, inverse(back), (height, width))
    return found


@dataclass(frozen=True, eq=False)
class _View:
    """A face, upright, in a small square.

    Attributes:
        matrix: FP64 [2, 3], the photo's x and y to the square's.
        lab: FP32 [S, S, 3], CIELAB, smoothed.
        chroma: FP32 [S, S].
        shape: [S, S], where the face is.
        features: UINT8 [S, S], 0 or what may be there: an eye, the mouth, the nose.
        cheeks: FP32 [N, 3], colours of skin, CIELAB.
    """

    matrix: NDArray[np.float64]
    lab: NDArray[np.float32]
    chroma: NDArray[np.float32]
    shape: Flags
    features: NDArray[np.uint8]
    cheeks: NDArray[np.float32]


def _view(photo: NDArray[np.uint8], face: Face, shape: Flags, frame: Frame) -> _View:
    scale = _UNIT / frame.unit
    sine, cosine = frame.down / frame.unit
    turn = scale * np.array([[cosine, -sine], [sine, cosine]])
    matrix = np.column_stack([turn, np.array(_EYES_AT) - turn @ frame.origin])
    # What the square sees of the photo, with a margin: all else need not be smoothed.
    corners = transformed(inverse(matrix), np.array([[0, 0], [_SIDE, 0], [0, _SIDE], [_SIDE] * 2]))
    low = np.maximum(np.floor(corners.min(axis=0) - 4), 0).astype(int)
    high = np.ceil(corners.max(axis=0) + 5).astype(int)
    part = photo[low[1] : max(high[1], 1), low[0] : max(high[0], 1)].astype(np.float32)
    if scale < 1:
        part = raster.gaussian(part, 0.5 * float(np.sqrt(1 / scale**2 - 1)) + 1e-3)
    own = matrix.copy()
    own[:, 2] += own[:, :2] @ low
    seen = cv2.warpAffine(part, own, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(np.asarray(seen, np.float32) / 255, cv2.COLOR_RGB2Lab)
    smooth = raster.gaussian(np.asarray(lab, np.float32), _SMOOTH_PX)
    points = transformed(matrix, face.points)
    here = shape[low[1] : max(high[1], 1), low[0] : max(high[0], 1)]
    return _View(
        matrix,
        smooth,
        np.hypot(smooth[..., 1], smooth[..., 2]),
        _warped(here, own, (_SIDE, _SIDE)),
        _features(points),
        _cheeks(smooth, points),
    )


def _features(points: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return where eyes with brows, mouth and nostrils may be, UINT8 [S, S]."""
    marked = np.zeros((_SIDE, _SIDE), np.uint8)

    def ellipse(
        middle: NDArray[np.float64], radii: tuple[float, float], turned: float, mark: int
    ) -> None:
        x, y = np.rint(middle).astype(int)
        size = int(radii[0]), int(radii[1])
        cv2.ellipse(marked, (int(x), int(y)), size, turned, 0, 360, (mark,), -1)

    for eye in points[:2]:
        ellipse(eye - (0, 2), (0.34 * _UNIT, 0.30 * _UNIT), 0, _EYE)
    mouth = points[4] - points[3]
    half = float(np.hypot(*mouth)) / 2 + 0.16 * _UNIT
    turned = float(np.degrees(np.arctan2(mouth[1], mouth[0])))
    ellipse(points[3:].mean(axis=0) + (0, 1), (half, 0.30 * _UNIT), turned, _MOUTH)
    ellipse(points[2] + (0, 3), (0.2 * _UNIT, 0.2 * _UNIT), 0, _NOSE)
    return marked


def _cheeks(lab: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the colours at cheeks, nose and chin that may be skin's, FP32 [N, 3]."""
    eyes, nose, mouth = points[:2].mean(axis=0), points[2], points[3:].mean(axis=0)
    places = [eyes * 0.6 + nose * 0.4, (eyes + nose) / 2]
    places += [mouth + (mouth - eyes) * below for below in (0.3, 0.42)]
    for low in (0.35, 0.5, 0.65):
        for side in (0, 1):
            cheek = points[side] * (1 - low) + points[3 + side] * low
            places += [cheek, cheek * 0.8 + nose * 0.2]
    colours = []
    for x, y in np.rint(places).astype(int):
        if 2 <= x < _SIDE - 2 and 2 <= y < _SIDE - 2:
            colours.append(np.median(lab[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3), axis=0))
    found = np.array(colours, np.float32).reshape(-1, 3)
    hue = np.degrees(np.arctan2(found[:, 2], found[:, 1]))
    chroma = np.hypot(found[:, 1], found[:, 2])
    like_skin = (hue > _SKIN_HUES[0]) & (hue < _SKIN_HUES[1]) & (chroma > _LEAST_CHROMA)
    return np.asarray(found[like_skin], np.float32)


def _before(view: _View) -> Flags:
    """Return what lies before the face, in its square."""
    nothing = np.zeros_like(view.shape)
    if len(view.cheeks) < _LEAST_CHEEKS:
        return nothing
    chroma = float(np.percentile(np.hypot(view.cheeks[:, 1], view.cheeks[:, 2]), 30))
    lightness = float(np.median(view.cheeks[:, 0]))
    dark = (view.lab[..., 0] < _DARK * lightness) & (view.chroma < _DARK_CHROMA * chroma)
    foreign = _opened((view.chroma < _GREY * chroma) | dark)
    inner = _with_features(foreign & view.shape & (view.features == 0), foreign, view)
    edge = view.shape & raster.grow(~view.shape, 1)
    depth = raster.distance_to(~view.shape)
    count, labels, sizes, _ = cv2.connectedComponentsWithStats(inner.astype(np.uint8))
    for label in range(1, count):
        piece = labels == label
        touches = np.count_nonzero(piece & edge) >= _LEAST_TOUCH
        large = sizes[label, cv2.CC_STAT_AREA] >= _LEAST_SHARE * np.count_nonzero(view.shape)
        deep = float(depth[piece].max()) >= _LEAST_DEPTH
        if touches and large and deep and _goes_on(piece, view) and not _beard(piece, inner, view):
            nothing |= piece
    return raster.grow(_closed(nothing), 1) if nothing.any() else nothing


def _with_features(inner: Flags, foreign: Flags, view: _View) -> Flags:
    """Add what covers features: where most round them is covered, or what it covers goes on."""
    found = inner.copy()
    for mark in (_EYE, _MOUTH, _NOSE):
        count, labels = cv2.connectedComponents((view.features == mark).astype(np.uint8))
        for label in range(1, count):
            place = labels == label
            rim = raster.grow(place, 3) & (view.features == 0) & view.shape
            if rim.any() and found[rim].mean() > 0.5:
                found |= place & foreign
            elif mark != _EYE:
                found |= place & foreign & raster.grow(found, 4)
    return found


def _goes_on(piece: Flags, view: _View) -> bool:
    """Say whether a piece goes on outside of the face in its own colour."""
    away = view.lab - np.median(view.lab[piece], axis=0)
    away[..., 0] /= _LIGHTNESS_LESS
    like = np.sqrt(np.square(away).sum(axis=-1)) < _OWN_COLOUR
    _, labels = cv2.connectedComponents(((like & ~view.shape) | piece).astype(np.uint8))
    outside = (labels == labels[piece][0]) & ~view.shape
    reach = raster.distance_to(view.shape)
    return bool(outside.any()) and float(reach[outside].max()) >= _LEAST_REACH


def _beard(piece: Flags, inner: Flags, view: _View) -> bool:
    """Say whether a piece is as likely a beard: on both sides, with the mouth free."""
    middle = round(_EYES_AT[0])
    mirrored = np.zeros_like(piece)
    mirrored[:, 1 : 2 * middle] = piece[:, 2 * middle - 1 : 0 : -1]
    both = np.count_nonzero(piece & mirrored) / np.count_nonzero(piece)
    return both > _BOTH_SIDES and float(inner[view.features == _MOUTH].mean()) < _MOUTH_FREE


def _opened(flags: Flags) -> Flags:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.morphologyEx(flags.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0)


def _closed(flags: Flags) -> Flags:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    return np.asarray(cv2.morphologyEx(flags.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0)


def _warped(flags: Flags, matrix: NDArray[np.float64], size: tuple[int, int]) -> Flags:
    """Return flags after a transform, in a picture of (height, width)."""
    out = cv2.warpAffine(flags.astype(np.float32), matrix, size[::-1], flags=cv2.INTER_LINEAR)
    return np.asarray(out > 0.5)
