"""What a fill shows that its surroundings do not have."""

from __future__ import annotations

from collections.abc import Sequence

from pawfect.scene.prompt import Label


def strange_labels(
    inside: Sequence[Label], around: Sequence[Label], least_coverage: float
) -> tuple[str, ...]:
    """Return the labels that a fill has and its surroundings do not.

    Args:
        inside: surfaces in the fill.
        around: surfaces around it; none known: nothing is strange.
        least_coverage: share of the fill, 0 to 1, below which a label does not count.
    """
    known = {label.name for label in around}
    if not known:
        return ()
    seen = (label for label in inside if label.coverage >= least_coverage)
    return tuple(label.name for label in seen if label.name not in known)
