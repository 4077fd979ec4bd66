"""What is open of FLUX.2 [klein] beside the roadmap: strength, reference tokens, seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from pawfect.orchestrator.planner import steps_run
from perf.prove.evidence import Evidence
from perf.prove.plan import STATIC
from perf.prove.settings import T4, by_axis
from perf.prove.verdict import ELSEWHERE, FAIL, Verdict, judged

# What a removal may take at this size: with reference tokens and without, s.
PX: Final = 768
MOST_S: Final[Mapping[bool, float]] = MappingProxyType({True: 15.0, False: 10.0})


def strength(found: Evidence) -> Verdict:
    """Judge 5.1: the loss by strength, and the best."""
    return by_axis(found, "strength")


def references(found: Evidence) -> Verdict:
    """Judge 5.2: the loss with reference tokens and without, the better, and both's seconds."""
    verdict = by_axis(found, "references")
    return replace(verdict, how=f"{verdict.how}; {_told(_seconds(found))}")


def in_time(found: Evidence) -> Verdict:
    """Judge 5.3: the seconds with reference tokens and without, on a T4."""
    seconds, px = _seconds(found), _grid_px(found)
    if set(seconds) != set(MOST_S):
        return Verdict(FAIL, f"not both ways gave pictures of their own: {_told(seconds)}")
    how = f"{_told(seconds)}, at {px} px, without the check of fills"
    if (T4 not in found.card.name or px != PX) and not found.plan.rehearsal:
        return Verdict(ELSEWHERE, f"a T4 at {PX} px is asked, this is {found.card.name}: {how}")
    return judged(all(seconds[shown] < most for shown, most in MOST_S.items()), how)


def _told(seconds: Mapping[bool, float]) -> str:
    words = {True: "with references", False: "without"}
    told = (f"{words[shown]} {value:.1f} s" for shown, value in sorted(seconds.items()))
    return ", ".join(told) or "no seconds"


def _grid_px(found: Evidence) -> int:
    """Return the size at which one thing at a time is varied."""
    return found.plan.matrices[-1].axes.size[0]


def _seconds(found: Evidence) -> dict[bool, float]:
    """Return the slowest cell's seconds with references and without, of the product's steps."""
    seconds: dict[bool, float] = {}
    own, smallest = found.settings, found.plan.quantisations[found.plan.smallest]
    # What a strength costs is the steps that it leaves.
    alike = (smallest, steps_run(own.steps, own.strength), _grid_px(found))
    for row in found.rows(lambda row: row.setting.prompt != STATIC):
        setting = row.setting
        run = steps_run(setting.steps, setting.strength)
        if alike == (setting.quantisation, run, setting.size):
            shown = bool(setting.references)
            seconds[shown] = max(seconds.get(shown, 0.0), row.total_ms / 1000)
    return seconds
