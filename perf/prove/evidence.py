"""All that a proof found, and the questions that several criteria ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean

from pawfect.chains import CHAINS
from pawfect.profile import Profile
from pawfect.settings import ChainSettings
from perf.audit.choice import Outcome
from perf.audit.engines import has, settings_of
from perf.audit.journal import DONE, Record
from perf.audit.report import Run
from perf.prove.checks import Told
from perf.prove.jobs import Jobs
from perf.prove.live import Live
from perf.prove.plan import STATIC, Plan
from perf.prove.preflight import Card


@dataclass(frozen=True)
class Evidence:
    """What is judged.

    Attributes:
        profile: whose proof it is.
        plan: what was run.
        card: on what.
        run: its cells.
        live: the product as it is served.
        jobs: labels that come late or never.
        compiled: the blocks' compilation.
        attention: the ways to compute attention, timed.
        prompts: the tests of the prompt's module.
    """

    profile: Profile
    plan: Plan
    card: Card
    run: Run
    live: Live
    jobs: Jobs
    compiled: Told
    attention: Told
    prompts: Told

    @property
    def best(self) -> Outcome | None:
        """The best setting in the budget, the baseline's static prompt left out."""
        choice = self.run.choice
        own = (one for one in choice.outcomes if one.setting.prompt != STATIC)
        return next((one for one in own if choice.in_budget(one)), None)

    @property
    def engine(self) -> str:
        """The engine that is proved."""
        return self.plan.engine

    @property
    def title(self) -> str:
        """Its name for people."""
        return CHAINS[self.engine].title

    @property
    def settings(self) -> ChainSettings:
        """How the product runs it."""
        return settings_of(self.profile, self.engine)

    @property
    def guided(self) -> bool:
        """Whether it has a guidance."""
        return has(self.profile, self.engine, "guidance")

    @property
    def product_loss(self) -> float:
        """The loss of the product's own setting; infinite where it gave no picture of its own."""
        settings = self.settings
        own = {
            "quantisation": self.profile.weights[f"{self.engine}_transformer"],
            "guidance": settings.guidance_scale if self.guided else None,
            "steps": settings.steps,
            "strength": settings.strength,
        }
        if has(self.profile, self.engine, "references"):
            own["references"] = settings.refers
        for one in self.run.choice.outcomes:
            if all(getattr(one.setting, name) == value for name, value in own.items()):
                return one.loss
        return inf

    def rows(self, wanted: Callable[[Record], bool] = lambda _: True) -> list[Record]:
        """Return the cells that gave a picture of their own and fit."""
        return [row for row in self.run.rows if row.status == DONE and wanted(row)]

    def baseline(self, quantisation: str | None = None) -> Record | None:
        """Return the cell of the service as it was, with one of the roadmap's quantisations.

        Args:
            quantisation: its name; None: the smallest.
        """
        entry = self.plan.quantisations[quantisation or self.plan.smallest]
        found = self.rows(
            lambda row: row.setting.prompt == STATIC and row.setting.quantisation == entry
        )
        return found[0] if found else None

    def pairs(self, one: str, other: str) -> Iterator[tuple[Record, Record]]:
        """Yield cells that differ by their quantisation alone."""
        first, second = (self.plan.quantisations[name] for name in (one, other))
        alike = {_but_quantisation(row): row for row in self.rows() if _entry(row) == second}
        for row in self.rows():
            if _entry(row) == first and (match := alike.get(_but_quantisation(row))):
                yield row, match

    def by(self, axis: str) -> dict[object, float]:
        """Return the mean loss by each value of an axis, over settings that differ in it alone."""
        outcomes = [one for one in self.run.choice.outcomes if one.complete]
        values = sorted({getattr(one.setting, axis) for one in outcomes})
        groups: dict[tuple[object, ...], dict[object, float]] = {}
        for one in outcomes:
            own = getattr(one.setting, axis)
            rest = tuple(value for name, value in vars(one.setting).items() if name != axis)
            groups.setdefault(rest, {})[own] = one.loss
        # The largest group is the axis as it was planned; others have one value or two by chance.
        widest = max((len(group) for group in groups.values()), default=0)
        whole = [group for group in groups.values() if len(group) == widest > 1]
        return {
            value: fmean(group[value] for group in whole if value in group)
            for value in values
            if any(value in group for group in whole)
        }


def strange(rows: Sequence[Record]) -> float | None:
    """Return the mean share of fills with labels that the surroundings lack; None: no labels."""
    known = [row.scores["strange"] for row in rows if "strange" in row.scores]
    return fmean(known) if known else None


def _entry(row: Record) -> str:
    return row.setting.quantisation


def _but_quantisation(row: Record) -> tuple[object, ...]:
    rest = {name: value for name, value in vars(row.setting).items() if name != "quantisation"}
    return (row.session, row.seed, *rest.values())
