"""The order in which texts are read: lines from the top, each from the left, as the text stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.reading import ReadText


def in_reading_order(texts: Sequence[ReadText]) -> tuple[ReadText, ...]:
    """Return texts in reading order, of a photo that lies on its side too.

    Args:
        texts: in any order.
    """
    if not texts:
        return ()
    quads = np.stack([text.quad for text in texts]).astype(np.float64)
    across = quads[:, 1] - quads[:, 0] + quads[:, 2] - quads[:, 3]
    ahead = _direction(across)
    down = np.array([-ahead[1], ahead[0]])
    middles = quads.mean(axis=1)
    heights = np.linalg.norm(quads[:, 3] - quads[:, 0] + quads[:, 2] - quads[:, 1], axis=1) / 2
    lines = _lines(middles @ down, heights)
    order = np.lexsort((middles @ ahead, lines))
    return tuple(texts[index] for index in order)


def _direction(across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit vector along which most of the text runs.

    Args:
        across: [K, 2], twice each text's own width as a vector.
    """
    lengths = np.linalg.norm(across, axis=1)
    units = across / np.maximum(lengths, 1e-6)[:, None]
    # The sum of all would be none for two texts that face each other: the one that most agree with.
    best = int(np.argmax(((units @ units.T) > np.sqrt(0.5)) @ lengths))
    alike = units @ units[best] > np.sqrt(0.5)
    total = (across * alike[:, None]).sum(axis=0)
    norm = float(np.linalg.norm(total))
    return total / norm if norm > 0 else np.array([1.0, 0.0])


def _lines(heights_down: NDArray[np.float64], heights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of each text's line: their middles are within half a text's height."""
    numbers = np.zeros(len(heights), np.int64)
    line, at, half = -1, -np.inf, 0.0
    for index in np.argsort(heights_down, kind="stable"):
        if heights_down[index] - at > half:
            line, at, half = line + 1, heights_down[index], heights[index] / 2
        numbers[index] = line
    return numbers
