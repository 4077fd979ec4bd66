"""Materials that tile the ground or a fence: planks, tiles, stones, slats.

A material maps ground points (u, v), FP32 [H,W] each, to FP32 [H,W,3] linear light.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from perf.quality.light import Field, Random, blur, colour, mix, octaves, smoothstep
from perf.quality.surfaces import frame

# Side of the noise tables that materials read, px; a power of two, so that they wrap.
TABLE = 512


def _hash(*indices: NDArray[np.int64], salt: int) -> Field:
    """Give each tuple of integers its own number in 0..1, FP32, the same on every machine."""
    state = np.full(indices[0].shape, (salt * 2654435761 + 97) & 0xFFFFFFFF, dtype=np.uint64)
    for index in indices:
        state = (state ^ (index.astype(np.uint64) & np.uint64(0xFFFFFFFF))) * np.uint64(0x9E3779B1)
        state = (state ^ (state >> np.uint64(15))) & np.uint64(0xFFFFFFFF)
    state = (state * np.uint64(0x85EBCA77)) & np.uint64(0xFFFFFFFF)
    return (((state >> np.uint64(8)) & np.uint64(0xFFFF)) / np.float32(65535)).astype(np.float32)


def _table(rng: Random, coarsest: float, count: int, fall: float = 0.6) -> Field:
    """Make a noise table FP32 [TABLE,TABLE] that continues at its edges."""
    return octaves(rng, (TABLE, TABLE), coarsest, count, fall)


def _read(table: Field, u: Field, v: Field) -> Field:
    """Read a noise table at (u, v) in table px, mirrored beyond its edges."""

    def fold(values: Field) -> Field:
        turned = np.mod(values, 2.0 * (TABLE - 1))
        return np.minimum(turned, 2.0 * (TABLE - 1) - turned).astype(np.float32)

    return cv2.remap(table, fold(u), fold(v), cv2.INTER_LINEAR).astype(np.float32)


def _cells(position: Field, size: float) -> tuple[NDArray[np.int64], Field]:
    """Split a coordinate into cell index INT64 and distance to the nearest joint, in its unit."""
    index = np.floor(position / size)
    part = position / size - index
    return index.astype(np.int64), (np.minimum(part, 1 - part) * size).astype(np.float32)


def _wood(
    rng: Random, across: Field, along: Field, board: Field, pale: Field, dark: Field
) -> Field:
    """Colour boards: long grain, growth rings that wander, tone of the board's own (0..1)."""
    wander = _read(_table(rng, 90, 4), across * 500 + board * 400, along * 55 + board * 900)
    fibre = _read(_table(rng, 14, 3, 0.8), across * 1500 + board * 300, along * 60 + board * 700)
    rings = np.sin(across * 260 + 5 * wander + board * 60)
    streak = 0.34 * (board - 0.5) * 2 + 0.13 * rings + 0.16 * fibre + 0.12 * wander
    return mix((0.5 + streak).astype(np.float32), pale, dark)


def planks(rng: Random, u: Field, v: Field) -> Field:
    """Wooden decking in staggered boards: grain, rounded edges, dark gaps, nails."""
    width, length = 0.135, 1.1
    row, gap_u = _cells(u, width)
    shift = _hash(row, salt=1) * length
    board, gap_v = _cells((v + shift).astype(np.float32), length)
    own = _hash(row, board, salt=2)
    wood = _wood(rng, u, v, own, colour(196, 150, 104), colour(120, 82, 52))
    gap = np.minimum(gap_u, gap_v)
    edge = smoothstep(gap, 0.0015, 0.010)
    nails = np.minimum(
        np.hypot(gap_u - 0.035, gap_v - 0.022), np.hypot(gap_u - 0.035, gap_v - 0.50)
    ).astype(np.float32)
    shade = (0.06 + 0.94 * edge) * (0.45 + 0.55 * smoothstep(nails, 0.004, 0.007))
    return np.asarray(wood * shade[..., None], np.float32)


def parquet(rng: Random, u: Field, v: Field) -> Field:
    """Varnished oak floor in narrow boards with hairline joints."""
    width, length = 0.085, 0.62
    row, gap_u = _cells(u, width)
    shift = _hash(row, salt=5) * length
    board, gap_v = _cells((v + shift).astype(np.float32), length)
    own = _hash(row, board, salt=6)
    wood = _wood(rng, u, v, own, colour(214, 178, 130), colour(168, 122, 76))
    shade = 0.35 + 0.65 * smoothstep(np.minimum(gap_u, gap_v), 0.0006, 0.0028)
    return np.asarray(wood * shade[..., None], np.float32)


def tiles(rng: Random, u: Field, v: Field) -> Field:
    """Glazed kitchen tiles: mottled stoneware, each its own tone, sandy grout."""
    size, half_joint = 0.21, 0.006
    column, gap_u = _cells(u, size)
    row, gap_v = _cells(v, size)
    own = _hash(row, column, salt=3)
    cloud = _read(_table(rng, 70, 6, 0.65), u * 420 + own * 800, v * 420 + own * 500)
    speck = _read(_table(rng, 3, 2, 0.8), u * 1100, v * 1100)
    body = mix(
        0.5 + 0.22 * cloud + 0.35 * (own - 0.5), colour(206, 194, 176), colour(158, 140, 120)
    )
    body *= (1 + 0.025 * speck)[..., None]
    grit = _read(_table(rng, 4, 3, 0.8), u * 1500, v * 1500)
    grout = colour(120, 112, 102) * (1 + 0.12 * grit)[..., None]
    gap = np.minimum(gap_u, gap_v) + 0.0006 * _read(_table(rng, 40, 4), u * 900, v * 900)
    glaze = 0.82 + 0.18 * smoothstep(gap, half_joint, half_joint + 0.010)
    face = smoothstep(gap, half_joint - 0.0012, half_joint + 0.0012)
    return mix(face, grout.astype(np.float32), (body * glaze[..., None]).astype(np.float32))


def paving(rng: Random, u: Field, v: Field) -> Field:
    """Cast paving stones in running bond: rough faces, worn corners, sand and moss between."""
    width, length = 0.20, 0.13
    row, gap_v = _cells(v, length)
    shifted = (u + 0.5 * width * (row % 2) + 0.012 * (_hash(row, salt=8) - 0.5)).astype(np.float32)
    column, gap_u = _cells(shifted, width)
    own = _hash(row, column, salt=9)
    corner = 0.022
    inner = np.hypot(np.clip(corner - gap_u, 0, None), np.clip(corner - gap_v, 0, None))
    gap = (corner - inner + 0.0022 * _read(_table(rng, 24, 4), u * 800, v * 800)).astype(np.float32)
    rough = _read(_table(rng, 6, 4, 0.75), u * 1000 + own * 300, v * 1000 + own * 200)
    stain = _read(_table(rng, 160, 4), u * 330, v * 330)
    tone = 0.5 + 0.55 * (own - 0.5) + 0.12 * stain
    stone = mix(tone.astype(np.float32), colour(168, 150, 138), colour(112, 106, 106))
    stone *= (1 + 0.17 * rough)[..., None]
    moss = (
        mix(
            (0.4 + 0.5 * _read(_table(rng, 60, 4), u * 300, v * 300)).astype(np.float32),
            colour(96, 84, 66),
            colour(74, 88, 44),
        )
        * (0.75 + 0.3 * rough)[..., None]
    )
    shade = 0.55 + 0.45 * smoothstep(gap, 0.004, 0.016)
    face = smoothstep(gap, 0.0035, 0.0075)
    return mix(
        face, (0.55 * moss).astype(np.float32), (stone * shade[..., None]).astype(np.float32)
    )


def fence(rng: Random, shape: tuple[int, int], behind: Field) -> Field:
    """A slatted garden fence before blurred greenery, seen slightly from the side.

    Args:
        rng: source of randomness.
        shape: (H, W) in px.
        behind: FP32 [H,W,3] linear light seen through the gaps.

    Returns:
        FP32 [H,W,3] linear light.
    """
    y, x = frame(shape)
    squeeze = 1 / (1 + 0.22 * x)
    u = ((x + 0.6) * squeeze * 0.62).astype(np.float32)
    v = (y * squeeze * shape[0] / shape[1]).astype(np.float32)
    pitch, half_gap = 0.115, 0.0085
    slat, gap = _cells(u, pitch)
    own = _hash(slat, salt=12)
    wood = _wood(rng, u * 0.8, v + own, own, colour(176, 158, 134), colour(112, 94, 76))
    rounded = 0.62 + 0.38 * smoothstep(gap, half_gap, half_gap + 0.012)
    light = 0.85 + 0.10 * octaves(rng, shape, shape[1] / 3, 3)
    for rail in (-0.47, 0.41):
        shadow = smoothstep(np.abs(v - rail - 0.035), 0.03, 0.055)
        light = light * (0.80 + 0.20 * shadow)
    front = (wood * (rounded * light)[..., None]).astype(np.float32)
    return blur(mix(smoothstep(gap, half_gap - 0.001, half_gap + 0.001), 0.5 * behind, front), 0.7)
