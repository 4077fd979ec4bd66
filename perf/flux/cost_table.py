"""A profile's table `[cost]`, modelled, and its place at the end of the profile's file."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

from pawfect.costs import CASES, STAGES, Costs, StageCost
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import FluxSettings, Profile
from perf.flux.cards import CARDS, CPU
from perf.flux.estimates import estimate

# What a profile's file has from here on is written by `make t4`.
HEAD: Final = """\
# What a stage takes, ms, one canvas alone, at the card's fastest, usual and slowest rates: by the
# side, px, of a square of the canvas's area (of the photo's for `rest`); 0 alone: whatever the
# size. `make t4` writes this table.
"""
# The work around FLUX grows evenly with the photo: two sizes say it all.
REST_PX: Final = (0, 4096)
BASIS: Final = "modelled"


def cost_table(profile: Profile) -> dict[str, StageCost]:
    """Model the costs of a profile that `estimate` takes.

    Integer layers are counted with the fused kernels, which the container has.
    """
    costs = [estimate(profile, case) for case in CASES]
    settings = profile.flux
    assert settings is not None
    own, px = CARDS[profile.name].name, _sides(settings)
    text_on = CPU.name if settings.text_device == "cpu" else own

    def row(on: str, sides: tuple[int, ...], ms: Callable[[Costs, int], float]) -> StageCost:
        low, likely, high = (tuple(round(ms(known, side), 1) for side in sides) for known in costs)
        return StageCost(BASIS, on, sides, low, likely, high)

    rows = (
        row(own, px, lambda known, side: known.step_ms((side // TOKEN_PX) ** 2)),
        row(own, px, lambda known, side: known.encode_ms(side**2)),
        row(own, px, lambda known, side: known.decode_ms(side**2)),
        row(text_on, (0,), lambda known, _: known.text_ms),
        row(own, (0,), lambda known, _: known.labels_ms),
        row(CPU.name, REST_PX, lambda known, side: known.rest_ms(side**2)),
    )
    return dict(zip(STAGES, rows, strict=True))


def as_toml(table: dict[str, StageCost]) -> str:
    """Return a table as the end of a profile's file."""
    parts = [HEAD]
    for stage, cost in table.items():
        parts.append(f'[cost.{stage}]\nbasis = "{cost.basis}"\non = "{cost.on}"\n')
        parts.extend(f"{name} = {list(getattr(cost, name))}\n" for name in ("px", *CASES))
        parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


def write_costs(path: Path, table: dict[str, StageCost]) -> None:
    """Put a table at the end of a profile's file, in place of the one that is there."""
    settings = path.read_text("utf-8").partition(HEAD)[0].rstrip("\n")
    path.write_text(f"{settings}\n\n{as_toml(table)}", "utf-8")


def _sides(settings: FluxSettings) -> tuple[int, ...]:
    """Return the working sizes, those half way between them, and half of the smallest."""
    between = ((low + high) // 2 for low, high in pairwise(settings.sizes))
    return tuple(sorted({settings.sizes[0] // 2, *settings.sizes, *between}))
