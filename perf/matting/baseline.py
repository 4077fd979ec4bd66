"""What got worse than the stored results: named picture by picture, with a stated tolerance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final

from perf.matting.run import Row


@dataclass(frozen=True)
class Tolerance:
    """By how much a figure may get worse before that counts.

    Attributes:
        share: of the figure before.
        least: in the figure's own unit, whatever it was before.
        better: "lower" or "higher".
    """

    share: float
    least: float
    better: str = "lower"

    def exceeded(self, before: float, after: float) -> bool:
        """Say whether it got worse by more."""
        worse = after - before if self.better == "lower" else before - after
        return worse > max(self.share * abs(before), self.least)


# The network's last bits depend on the processor and on how many threads add them up, by up to one
# level of alpha in soft parts: under 1 % of any figure here. The least is what a picture without a
# subject may gain. Seconds are no part of it: they are those of whatever machine ran it.
TOLERANCES: Final[Mapping[str, Tolerance]] = MappingProxyType(
    {
        "sad": Tolerance(0.03, 0.1),
        "mse": Tolerance(0.03, 0.1),
        "gradient": Tolerance(0.03, 0.1),
        "connectivity": Tolerance(0.03, 0.1),
        "iou": Tolerance(0.0, 0.005, "higher"),
        "halo": Tolerance(0.03, 0.2),
    }
)


@dataclass(frozen=True)
class Regression:
    """One figure that got worse, or a picture that could not be scored any more.

    Attributes:
        picture: its name.
        variant: the variant's.
        metric: a figure's name, or "error".
        before: the stored figure.
        after: the figure now; None where there is none.
        detail: what was raised, empty if nothing.
    """

    picture: str
    variant: str
    metric: str
    before: float
    after: float | None
    detail: str = ""

    def __str__(self) -> str:
        """Return it as one line, with what would have been tolerated."""
        if self.after is None:
            return f"{self.picture}, {self.variant}: {self.detail}"
        limit = TOLERANCES[self.metric]
        allowed = max(limit.share * abs(self.before), limit.least)
        return (
            f"{self.picture}, {self.variant}: {self.metric} {self.before:.3f} -> {self.after:.3f} "
            f"(tolerated: {allowed:.3f})"
        )


def as_json(row: Row) -> dict[str, Any]:
    """Return a row as it is stored, rounded to what the tolerances can tell apart."""
    stored = asdict(row) | {"seconds": round(row.seconds, 3)}
    stored["cpu_seconds"] = round(row.cpu_seconds, 3)
    for name in ("sharpness", "true_sharpness", "confidence"):
        stored[name] = None if stored[name] is None else round(stored[name], 4)
    if row.scores is not None:
        stored["scores"] = {
            name: None if value is None else round(value, 4)
            for name, value in asdict(row.scores).items()
        }
    return stored


def regressions(stored: Iterable[Mapping[str, Any]], rows: Sequence[Row]) -> list[Regression]:
    """Compare rows with stored ones of the same picture and variant.

    What has no stored row is new, and what is stored and not among the rows was not measured:
    neither is a regression.

    Args:
        stored: rows as `as_json` gives them.
        rows: those of now.
    """
    before = {(row["picture"], row["variant"]): row["scores"] for row in stored}
    found = []
    for row in rows:
        known = before.get((row.picture, row.variant))
        if known is None:
            continue
        if row.scores is None:
            found.append(Regression(row.picture, row.variant, "error", 0.0, None, row.error))
            continue
        now = asdict(row.scores)
        for metric, tolerance in TOLERANCES.items():
            was, is_ = known[metric], now[metric]
            if was is not None and is_ is not None and tolerance.exceeded(was, is_):
                found.append(Regression(row.picture, row.variant, metric, was, is_))
    return found


def compared(stored: Iterable[Mapping[str, Any]], rows: Sequence[Row]) -> int:
    """Return how many of the rows have a stored one to compare with."""
    before = {(row["picture"], row["variant"]) for row in stored if row["scores"]}
    return sum((row.picture, row.variant) in before for row in rows)
