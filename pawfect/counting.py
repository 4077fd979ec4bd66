"""Counts of what happens deep in the library, told to whoever runs it.

The library knows no metrics page. A model's process listens; without a listener, as in `--local`,
counting does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pawfect.contract.metrics import Metric

# Takes a counter of the table, by how much it grew, and its labels without the model's.
Listener = Callable[[Metric, float, dict[str, str]], None]

_LISTENERS: Final[list[Listener]] = []


def listen(listener: Listener) -> Callable[[], None]:
    """Have a listener told of each count of this process; return what ends that."""
    _LISTENERS.append(listener)
    return lambda: _LISTENERS.remove(listener)


def count(metric: Metric, amount: float = 1.0, **labels: str) -> None:
    """Tell the listeners that a counter grew.

    Args:
        metric: of the table.
        amount: by how much.
        labels: the metric's, without the model.
    """
    for listener in _LISTENERS:
        listener(metric, amount, labels)
