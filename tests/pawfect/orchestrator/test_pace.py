"""Whole runs of the denoising on simulated cards: in time, foreseen, and always with a picture."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from types import SimpleNamespace
from unittest.mock import AsyncMock

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import InpaintParams
from pawfect.costs import Costs
from pawfect.diffusion.schedule import Schedule
from pawfect.flux.chain import FLUX
from pawfect.orchestrator import attempts, budget, generate
from pawfect.orchestrator.chain_models import Encoded, Text
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.orchestrator.engine import Task
from pawfect.orchestrator.pace import Pace
from pawfect.orchestrator.planner import LEAST_STEPS, Wish, choose, plans
from pawfect.picture.box import Box
from pawfect.picture.window import Window
from tests.pawfect.orchestrator.cards import SIZES, card, in_virtual_time

NOISE = 0.3
TEXT = Text({}, 0)
LATENTS = np.ones((2, 64), np.float32)
SCHEDULE = Schedule(use_dynamic_shifting=True)


@dataclass
class Case:
    """One request on one card, and what became of it.

    Attributes:
        slowness: of the card against what was expected of it.
        noise: of the time of each step.
    """

    wish: Wish
    costs: Costs
    deadline_ms: int
    slowness: float = 1.0
    noise: float = 0.0
    known: bool = True
    seed: int = 0
    engine: str = "flux"
    hangs_at: int | None = None
    took_ms: float = 0.0
    error: PawfectError | None = None
    pace: Pace | None = None
    latents: list[np.ndarray] | None = None


class Card:
    """Does one thing after the other, as `flux_transformer` asks, and takes its time."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._random = random.Random(case.seed)
        self._free = 0.0
        self.timesteps: list[float] = []

    async def works(self, ms: float) -> None:
        loop = asyncio.get_running_loop()
        noisy = 1 + self._case.noise * self._random.uniform(-1, 1)
        self._free = max(self._free, loop.time()) + ms * noisy * self._case.slowness / 1000
        await asyncio.sleep(self._free - loop.time())

    async def __call__(self, model, inputs, parameters):
        self.timesteps.append(float(inputs["TIMESTEP"][0]))
        rows, columns = inputs["GRID"]
        if len(self.timesteps) == self._case.hangs_at:
            await asyncio.sleep(1e6)
        await self.works(self._case.costs.step_ms(int(rows * columns)))
        return {"VELOCITY": np.ones((2, 64), np.float32)}


async def run(case: Case) -> Card:
    """Plan and generate, the VAE's work and the pasting of pixels left to the card."""
    clock = asyncio.get_running_loop().time
    wish, costs = case.wish, case.costs
    control, worker = Control(case.deadline_ms, clock=clock), Card(case)
    plan = choose(wish, costs if case.known else None, case.deadline_ms)
    assert plan is not None

    async def encode(task, chain, canvas, seed, prefill, *, index, referred):
        await worker.works(costs.encode_ms(canvas.height * canvas.width))
        return Encoded(canvas.grid, LATENTS, None, None, {})

    async def decode(task, chain, canvas, latents):
        await worker.works(costs.decode_ms(canvas.height * canvas.width))
        return latents

    async def paste(task, canvases, parts):
        await asyncio.sleep(costs.rest_ms(wish.height * wish.width) / 1000)
        return parts

    def paced(*given):
        case.pace = Pace(*given)
        return case.pace

    own = {"encode_canvas": encode, "decode_canvas": decode, "composited": paste}
    settings = SimpleNamespace(guidance_scale=30.0)
    deployed = DeployedChain(FLUX, settings, SCHEDULE, costs if case.known else None)
    request = SimpleNamespace(params=InpaintParams(engine=case.engine, preview_every=0))
    cleaned = SimpleNamespace(windows=[Window(c.box, c.box) for c in plan.canvases])
    task = Task(request, cleaned, None, worker, control, AsyncMock())
    with pytest.MonkeyPatch.context() as patch:
        for name, stand_in in own.items():
            patch.setattr(generate, name, stand_in)
        patch.setattr(attempts, "Pace", paced)
        await worker.works(costs.text_ms)
        text = SimpleNamespace(of=AsyncMock(return_value=TEXT), raised=lambda error: False)
        made = await generate.generate(task, deployed, generate.Start(wish, plan), 0, text)
    if isinstance(made, attempts.Failed):
        case.error = made.error
    else:
        case.latents = made.run.picture
    case.took_ms = clock() * 1000
    return worker


@pytest.fixture(autouse=True)
def seldom_polled(monkeypatch):
    """Nobody cancels here: a look every 50 ms of virtual time is only slow."""
    monkeypatch.setattr(budget, "POLL_S", 1e9)


def in_sequence(count: int, slowness: tuple[float, float], **settings) -> list[Case]:
    """Return cases over cards, sizes, deadlines and numbers of canvases, by a fixed seed."""
    dice = random.Random(1)
    cases = []
    while len(cases) < count:
        holes = []
        for _ in range(dice.choice((1, 1, 1, 1, 2, 3, 6))):
            x, y, side = dice.randrange(3000), dice.randrange(2000), dice.randrange(20, 1000)
            holes.append(Box(x, y, x + side, y + side))
        wish = Wish(tuple(holes), 3000, 4000, SIZES, dice.choice((4, 8, 8, 12, 20, 28)))
        costs = card(dice.choice((12, 25, 40, 120, 700)))
        deadline = round(1000 * 2 ** dice.uniform(1, 7))
        slow = dice.uniform(*slowness)
        if choose(wish, costs, deadline) is not None:
            cases.append(Case(wish, costs, deadline, slow, NOISE, seed=len(cases), **settings))
    return cases


def done(case: Case) -> bool:
    """Say whether there is a finished picture within the deadline."""
    return case.error is None and case.took_ms <= case.deadline_ms


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_noisy_steps_end_in_time_with_a_picture_in_99_of_100_runs(count):
    cases = in_sequence(count, (1.0, 1.0))
    for case in cases:
        in_virtual_time(run(case))
    in_time = [case for case in cases if done(case)]
    assert len(in_time) >= 0.99 * len(cases)
    for case in in_time:
        assert all(np.isfinite(latents).all() for latents in case.latents)
    # And noise alone costs next to none of them a step.
    whole = [case for case in in_time if case.pace.taken == case.pace.planned]
    assert len(whole) >= 0.95 * len(cases)


@pytest.mark.parametrize("known", [pytest.param(True, marks=pytest.mark.slow), False])
def test_on_a_card_that_others_keep_busy_they_end_in_time_with_fewer_steps(known):
    cases = in_sequence(400, (1.2, 3.0), known=known)
    # What a card of unknown costs is asked, somebody has to have found feasible.
    cases = [case for case in cases if known or quality(case) == 0]
    for case in cases:
        in_virtual_time(run(case))
    ended = [case for case in cases if done(case)]
    assert len(ended) >= 0.98 * len(cases)
    fewer = [case for case in ended if case.pace.taken < case.pace.planned]
    assert len(fewer) >= 0.15 * len(cases)


def quality(case: Case) -> int:
    plan = choose(case.wish, case.costs, case.deadline_ms)
    assert plan is not None
    return plan.quality


# Of many canvases the end is foreseen as soon as each has taken a step, where costs are known.
@pytest.mark.parametrize(("known", "canvases"), [(True, 1), (False, 1), (True, None)])
@pytest.mark.parametrize("slowness", [0.5, 1.0, 2.5])
def test_where_steps_are_steady_the_end_is_foreseen_within_15_percent_after_the_first(
    slowness, known, canvases
):
    for case in in_sequence(60, (slowness, slowness), known=known):
        # Time enough for all steps: the end of a run that is cut is the deadline.
        calm = replace(case, noise=0.0, deadline_ms=600_000)
        calm.wish = replace(case.wish, holes=case.wish.holes[:canvases])
        in_virtual_time(run(calm))
        assert canvases is None or calm.pace.taken == calm.pace.planned
        assert calm.pace.predicted_ms == pytest.approx(calm.took_ms, rel=0.15)


def one(deadline_ms: int, **settings) -> Case:
    """Twelve steps of about 1.4 s each, of one canvas of 768 px."""
    wish = Wish((Box(500, 500, 800, 800),), 3000, 4000, SIZES[1:2], 12)
    return Case(wish, card(25), deadline_ms, **settings)


def whole_schedule(case: Case) -> list[float]:
    (canvas,) = next(plans(case.wish, case.costs)).canvases
    return SCHEDULE.timesteps(SCHEDULE.sigmas(12, canvas.tokens))[:-1].tolist()


def test_in_time_each_step_of_the_schedule_is_taken():
    case = one(60_000)
    calls = in_virtual_time(run(case))
    assert calls.timesteps == whole_schedule(case)
    assert (case.pace.taken, case.pace.planned) == (12, 12)


def test_late_fewer_levels_of_the_same_schedule_are_met_and_the_picture_is_finished():
    case = one(30_000, slowness=1.7)
    calls = in_virtual_time(run(case))
    assert done(case)
    assert LEAST_STEPS < case.pace.taken < 12
    assert set(calls.timesteps) < set(whole_schedule(case))
    assert calls.timesteps == sorted(calls.timesteps, reverse=True)
    # Near the end of the time, and not long before.
    assert case.took_ms > 0.8 * case.deadline_ms
    # A constant velocity of 1 brings the noise of 1 to 0, by whatever steps.
    np.testing.assert_allclose(case.latents[0], 0, atol=1e-5)


def test_after_one_slow_step_there_are_soon_more_again():
    class Stumbling(Card):
        async def works(self, ms):
            await super().works(ms * (8 if len(self.timesteps) == 1 else 1))

    case = one(60_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "Card", Stumbling)
        in_virtual_time(run(case))
    assert done(case)
    # By the first one's pace there was time for five.
    assert case.pace.taken >= 9


@pytest.mark.parametrize("at", [2, 5, 12])
def test_a_step_that_hangs_is_not_waited_for_where_there_is_a_velocity(at):
    case = one(40_000, hangs_at=at)
    in_virtual_time(run(case))
    assert done(case)
    assert case.pace.taken == at - 1
    np.testing.assert_allclose(case.latents[0], 0, atol=1e-5)


@pytest.mark.parametrize(
    ("at", "engine", "says"),
    [(1, "flux", ""), (3, "auto", "at least 4 of 12 steps within 40000 ms, got 2")],
)
def test_without_any_velocity_or_with_fewer_steps_than_count_there_is_no_picture(at, engine, says):
    case = one(40_000, hangs_at=at, engine=engine)
    calls = in_virtual_time(run(case))
    assert case.error.kind is ErrorKind.DEADLINE
    assert len(calls.timesteps) == at
    assert says in case.error.message
