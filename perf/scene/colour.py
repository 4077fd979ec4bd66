"""Colours: everything is mixed in linear light, written down as people see it in sRGB."""

import numpy as np

from perf.scene.arrays import Floats, floats


def to_linear(encoded: Floats) -> Floats:
    """Decode sRGB values in 0..1 to linear light in 0..1 (IEC 61966-2-1)."""
    return floats(np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4))


def to_srgb(light: Floats) -> Floats:
    """Encode linear light in 0..1 as sRGB values in 0..1 (IEC 61966-2-1)."""
    clipped = np.clip(light, 0.0, 1.0)
    return floats(
        np.where(
            clipped <= 0.0031308,
            clipped * 12.92,
            1.055 * np.power(np.maximum(clipped, 1e-8), 1.0 / 2.4) - 0.055,
        )
    )


def paint(*codes: str) -> Floats:
    """Give hex colours ("8a9050") as linear light FLOAT32 [N, 3]."""
    rows = [[int(code[i : i + 2], 16) / 255.0 for i in (0, 2, 4)] for code in codes]
    return to_linear(floats(rows))
