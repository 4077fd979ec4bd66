"""Letters where none stood: as large as their box allows, like those nearby or plain."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import cap_height, draw
from pawfect.lettering.faces import Cut, Face, faces_for
from pawfect.lettering.frame import LINE_PX, WIDEST, Frame, box_quad, frame_of, mapped, rectified
from pawfect.lettering.hole import window_of
from pawfect.lettering.ink import Ink, Plane
from pawfect.lettering.lines import along
from pawfect.lettering.match import Match
from pawfect.lettering.old import OldLine
from pawfect.lettering.style import Style
from pawfect.picture.box import Box
from pawfect.picture.grain import MOST_NOISE, noise_level

_FILLED: Final = (0.9, 0.62)  # of the box's width and height: what letters take of it at most
_PLAIN: Final = ("open-sans", "arimo", "noto-serif")  # which face where nothing says one
_PLAIN_WEIGHT: Final = 600
_SOFT: Final = 0.6  # px: of a sharp photo's edges, where no letter says how sharp it is
_DARK, _LIGHT = (34.0, 32.0, 34.0), (246.0, 244.0, 238.0)
_MIDDLE: Final = 125.0  # luma: what is lighter gets dark letters
_TURNED: Final = 0.25  # rad: a box whose neighbours are turned more is taken as it is


def blank_line(
    photo: NDArray[np.uint8], box: tuple[int, int, int, int], new: str, beside: OldLine | None
) -> OldLine | None:
    """Return a line as if old letters had stood in the middle of an empty box.

    Args:
        photo: UINT8 [H, W, 3].
        box: x, y, width, height, px.
        new: what is to stand there.
        beside: a line nearby, whose looks it takes over; None: plain letters whose ink contrasts.

    Returns:
        None where no face can write the text.
    """
    faces = faces_for(new)
    if not faces:
        return None
    quad = _within_widest(_turned(box_quad(*box), beside))
    frame = frame_of(quad)
    window, local = window_of(photo, frame)
    pixels = rectified(window.astype(np.float32), local)
    if beside is None:
        style = _plain(photo, box, pixels, frame, faces)
    else:
        style = _like(beside, frame, faces)
    drawn = draw(new, style.match.cut, style.match.tracking, style.match.offset)
    x0, y0, x1, y1 = drawn.box
    matrix = style.match.matrix
    wide, high = (x1 - x0) * matrix[0, 0], (y1 - y0) * matrix[1, 1]
    most = min(_FILLED[0] * frame.line.width / wide, _FILLED[1] * LINE_PX / high)
    # Plain letters are as large as the box allows, others no larger than their neighbours.
    scale = most if beside is None else min(most, 1.0)
    matrix = matrix @ np.diag((scale, scale, 1.0))
    middle = np.array([(x0 + x1) / 2 - drawn.origin[0], -cap_height(style.match.cut) / 2, 1.0])
    centre = np.array([(frame.line.x0 + frame.line.x1) / 2, (frame.line.y0 + frame.line.y1) / 2])
    shift = np.eye(3)
    shift[:2, 2] = centre - (matrix @ middle)[:2]
    match = replace(style.match, matrix=shift @ matrix)
    limits = float(frame.line.x0), float(frame.line.x1)
    ink = _no_ink(pixels, frame, style)
    return OldLine(frame, ink, "", replace(style, match=match), limits)


def _within_widest(quad: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the middle of a box that is longer than a frame: its letters would be stretched."""
    sides = quad[1] - quad[0], quad[3] - quad[0]
    wide, high = (float(np.linalg.norm(side)) for side in sides)
    share = min(WIDEST * high / max(wide, 1e-6), 1.0)
    middle, half = quad.mean(0), sides[0] * (share / 2)
    centre = np.array((-half, half, half, -half))
    down = sides[1] / 2
    return np.asarray(middle + centre + np.array((-down, -down, down, down)), np.float32)


def _turned(quad: NDArray[np.float32], beside: OldLine | None) -> NDArray[np.float32]:
    """Turn a box as the line beside it is turned, smaller by what would stand out."""
    if beside is None:
        return quad
    line = beside.frame.line
    corners = np.array(
        [(line.x0, line.y0), (line.x1, line.y0), (line.x1, line.y1), (line.x0, line.y1)]
    )
    way = along(mapped(corners.astype(np.float64), beside.frame.to_photo).astype(np.float32))
    angle = float(np.arctan2(way[1], way[0]))
    if abs(angle) > _TURNED:
        return quad
    wide, high = quad[1, 0] - quad[0, 0], quad[2, 1] - quad[1, 1]
    high_left = max(high - abs(np.sin(angle)) * wide, 0.55 * high)
    half = (
        np.array([(-wide, -high_left), (wide, -high_left), (wide, high_left), (-wide, high_left)])
        / 2
    )
    turn = np.array([(way[0], way[1]), (-way[1], way[0])])
    return np.asarray(half @ turn + quad.mean(0), np.float32)


def _plain(
    photo: NDArray[np.uint8], box: tuple[int, int, int, int], pixels: NDArray[np.float32],
    frame: Frame, faces: tuple[Face, ...],
) -> Style:  # fmt: skip
    names = {face.name: face for face in faces}
    face = next((names[name] for name in _PLAIN if name in names), faces[0])
    cut = face.cuts()[0].weighing(_PLAIN_WEIGHT)
    ground = np.median(pixels[frame.line.slices].reshape(-1, 3), axis=0)
    luma = float(ground @ (0.299, 0.587, 0.114))
    x, y, w, h = box
    part = photo[y : y + h, x : x + w]
    grain = min(noise_level(part, np.ones(part.shape[:2], np.bool_)), MOST_NOISE)
    colour = _constant(np.array(_DARK if luma > _MIDDLE else _LIGHT), frame)
    return Style(Match(cut, matrix=np.diag((0.5, 0.5, 1.0))), colour, _SOFT, grain)


def _like(beside: OldLine, frame: Frame, faces: tuple[Face, ...]) -> Style:
    """Take over a neighbour's looks; its letters as large in the photo as they are there."""
    match, ratio = beside.style.match, frame.scale / beside.frame.scale
    cut: Cut = match.cut
    if cut.face not in faces:
        cut = faces[0].cuts()[0].weighing(cut.weight)
    matrix = np.eye(3)
    matrix[:2, :2] = match.matrix[:2, :2] * ratio
    matrix[1, 0] = 0
    box = beside.ink.box
    middle = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    colour = beside.style.colour.at(*(np.array(edge, np.float32) for edge in middle))
    taken = replace(match, cut=cut, matrix=matrix)
    return replace(beside.style, match=taken, colour=_constant(colour.astype(np.float64), frame))


def _constant(colour: NDArray[np.float64], frame: Frame) -> Plane:
    weights = np.zeros((3, 3))
    weights[0] = colour
    return Plane(weights, Box(0, 0, frame.width, frame.height))


def _no_ink(pixels: NDArray[np.float32], frame: Frame, style: Style) -> Ink:
    """Return what an empty frame has of ink: nothing, in the middle of its line."""
    size = (frame.height, frame.width)
    empty = np.zeros(size, np.float32)
    return Ink(empty, empty > 0, style.colour, pixels, empty, frame.line)
