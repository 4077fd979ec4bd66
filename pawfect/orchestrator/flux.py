"""The engine `flux`: FLUX.1-Fill over each hole; its floor is LaMa's fill or the patches'."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.orchestrator import budget
from pawfect.orchestrator.check import check_fill
from pawfect.orchestrator.control import dropped
from pawfect.orchestrator.engine import Fill, Prompting, Task
from pawfect.orchestrator.flux_models import Text, encode_text
from pawfect.orchestrator.generate import (
    FLOOR_STANDS,
    Failed,
    Generated,
    Start,
    generate,
)
from pawfect.orchestrator.lama import floor_photo, weights_of
from pawfect.orchestrator.patch import reports, seed_of
from pawfect.orchestrator.patched import Patched
from pawfect.orchestrator.planner import Planned, choose, plan_fill
from pawfect.orchestrator.surroundings import Surroundings, find_surroundings
from pawfect.scene.prompt import Prompt, build_prompt

# Longest side, px, of the floor: as large as FLUX's own largest canvas of a 16 GB card.
FLOOR_PX: Final = 1024

Known = TypeVar("Known")


@dataclass(frozen=True)
class Scene:
    """What surrounds the holes, and the prompt that follows from it."""

    found: Surroundings
    prompt: Prompt


@dataclass(frozen=True, eq=False)
class Concurrent:
    """Work that goes on while FLUX denoises: the floor, the scene, the prompt's embeddings."""

    floor: asyncio.Future[Patched]
    scene: asyncio.Future[Scene]
    text: asyncio.Future[Text]


@dataclass(frozen=True, eq=False)
class Checked:
    """A fill, what its check found wrong with it, and all that was done without."""

    generated: Generated
    problem: str | None
    fallbacks: tuple[Fallback, ...]


async def fill_by_flux(task: Task) -> Fill:
    """Fill by FLUX; where it fails and the request did not insist on it, by its floor.

    Raises:
        PawfectError: CANCELLED; what FLUX's chain raised where the request asked for `flux`, at
            once where no plan fits its deadline; what `patch_fill` raised where both failed.
    """
    # FLUX ends early enough for the floor to be handed over in time.
    own = task if _insists(task) else replace(task, control=task.control.reserving(budget.FLOOR_MS))
    try:
        planned = await asyncio.to_thread(plan_fill, own)
    except PawfectError as error:
        if _insists(task):
            raise
        # Where FLUX does not even begin, the patches are the fill, and not its floor.
        patched = await _floor(task, None)
        prompting = Prompting.of_request(task.request)
        return _with_floor(_after_failure(task, patched, prompting, Failed(error)), patched)
    floor = asyncio.ensure_future(_floor(task, FLOOR_PX))
    scene = asyncio.ensure_future(_describe(own))
    text = asyncio.ensure_future(_embed(own, scene))
    try:
        fill = await _fill(own, planned, Concurrent(floor, scene, text))
        return _with_floor(fill, _finished(floor))
    finally:
        await dropped(text, scene, floor)


async def _floor(task: Task, most_px: int | None) -> Patched:
    return task.floor or await floor_photo(task, most_px, FLOOR_STANDS)


async def _fill(task: Task, planned: Planned, concurrent: Concurrent) -> Fill:
    """Generate and check; a second seed where the check fails, then patches."""
    start = await _start(task, planned, concurrent.floor)
    before = planned.fallbacks + start.fallbacks
    seed = task.request.params.seed
    first = await _generate_checked(task, start, seed, concurrent)
    # As far as the scene is known by now.
    prompting = _prompting(task, concurrent)
    before += _scene_fallbacks(concurrent)
    if isinstance(first, Failed):
        if _insists(task):
            raise first.error
        failed = Failed(first.error, before + first.fallbacks)
        return _after_failure(task, await concurrent.floor, prompting, failed)
    best, fallbacks = first, before + first.fallbacks
    if first.problem is not None and _time_for_another(task, first.generated):
        fallbacks += (Fallback("check", first.problem, "a second seed"),)
        second = await _generate_checked(
            task, replace(start, plan=first.generated.plan),
            seed_of(seed, len(first.generated.plan.canvases)), concurrent, first.generated.slowness,
        )  # fmt: skip
        fallbacks += second.fallbacks
        if isinstance(second, Checked):
            best = second
        elif _insists(task):
            kind = second.error.kind
            fallbacks += (Fallback("check", str(second.error), "the first fill", kind),)
        else:
            fill = _flux_fill(task, first, prompting, first)
            failed = Failed(second.error, fallbacks)
            failing = _after_failure(task, await concurrent.floor, prompting, failed)
            return replace(
                failing, check=fill.check, denoising=fill.denoising, weights=fill.weights
            )
    fill = replace(_flux_fill(task, best, prompting, first), fallbacks=fallbacks)
    if best.problem is None or _insists(task):
        return fill
    return await _instead(task, fill, best.problem, concurrent.floor)


async def _generate_checked(
    task: Task, start: Start, seed: int, concurrent: Concurrent, slowness: float | None = None
) -> Checked | Failed:
    made = await generate(task, start, seed, concurrent.text, slowness)
    if isinstance(made, Failed):
        return made
    found = (await concurrent.scene).found
    try:
        result = await check_fill(task, made.image, found, concurrent.floor)
    except PawfectError as error:
        if error.kind in (ErrorKind.CANCELLED, ErrorKind.INVALID_ARG):
            raise
        return Failed(error, made.fallbacks)
    return Checked(made, result.problem, made.fallbacks + result.fallbacks)


async def _start(task: Task, planned: Planned, floor: asyncio.Future[Patched]) -> Start:
    """Wait for the floor where denoising starts from it; without one, start from noise."""
    wish, plan = planned.wish, planned.plan
    if wish.strength == 1:
        return Start(wish, plan)
    if task.start is not None:
        return Start(wish, plan, task.start)
    try:
        return Start(wish, plan, (await asyncio.shield(floor)).image)
    except PawfectError as error:
        task.control.raise_if_over(error)
        failed = Fallback("patch_fill", str(error), "strength 1", error.kind)
        whole = replace(wish, strength=1.0, prior_ms=0.0)
        chosen = choose(whole, task.deployment.costs, task.control.within_ms)
        return Start(whole, chosen or plan, None, (failed,))


async def _describe(task: Task) -> Scene:
    found = await find_surroundings(task)
    asked = task.request.prompt
    if asked is not None and task.deployment.verbatim:
        return Scene(found, Prompt(asked, len(asked.split()), "prompt"))
    return Scene(found, build_prompt(found.labels, found.caption, asked))


async def _embed(task: Task, scene: asyncio.Future[Scene]) -> Text:
    described = await asyncio.shield(scene)
    return await encode_text(task, described.prompt.text)


def _insists(task: Task) -> bool:
    """Say whether the request asked for FLUX by name."""
    return task.request.params.engine == "flux"


def _time_for_another(task: Task, made: Generated) -> bool:
    return task.control.remaining_ms() > budget.SECOND_TRY * made.again_ms


def _flux_fill(task: Task, checked: Checked, prompting: Prompting, first: Checked) -> Fill:
    made = checked.generated
    passed = "passed" if task.deployment.profile.check else None
    # Of a second seed nothing was known when the first prediction was made.
    predicted_ms = first.generated.denoising.predicted_ms
    return Fill(
        made.image,
        "flux",
        made.windows,
        prompting,
        checked.fallbacks,
        denoising=replace(made.denoising, predicted_ms=predicted_ms),
        check=checked.problem or passed,
        weights=dict(task.deployment.weights),
    )


async def _instead(task: Task, fill: Fill, problem: str, floor: asyncio.Future[Patched]) -> Fill:
    """Return the patches in the place of a fill with a problem, where there are any."""
    try:
        patched = await asyncio.shield(floor)
    except PawfectError as error:
        if error.kind is ErrorKind.CANCELLED:
            raise
        failed = Fallback("patch_fill", str(error), "flux, check failed", error.kind)
        return replace(fill, fallbacks=(*fill.fallbacks, failed))
    return replace(
        fill,
        image=patched.image,
        engine=patched.engine,
        windows=reports(task, patched),
        reason=f"flux: {problem}",
        fallbacks=(*fill.fallbacks, Fallback("check", problem, patched.engine)),
    )


def _after_failure(task: Task, patched: Patched, prompting: Prompting, failed: Failed) -> Fill:
    error = failed.error
    return Fill(
        patched.image,
        patched.engine,
        reports(task, patched),
        prompting,
        (*failed.fallbacks, Fallback("flux", str(error), patched.engine, error.kind)),
        reason=f"flux failed: {error}",
        weights=weights_of(task, patched),
    )


def _finished(future: asyncio.Future[Known]) -> Known | None:
    ended = future.done() and not future.cancelled() and future.exception() is None
    return future.result() if ended else None


def _scene_fallbacks(concurrent: Concurrent) -> tuple[Fallback, ...]:
    scene = _finished(concurrent.scene)
    return () if scene is None else scene.found.fallbacks


def _with_floor(fill: Fill, patched: Patched | None) -> Fill:
    """Report what the floor had to do without too, as far as it is known."""
    return fill if patched is None else replace(fill, fallbacks=patched.fallbacks + fill.fallbacks)


def _prompting(task: Task, concurrent: Concurrent) -> Prompting:
    scene, text = _finished(concurrent.scene), concurrent.text
    if scene is None:
        return Prompting.of_request(task.request)
    embedded = text.done() and not text.cancelled() and text.exception() is None
    return Prompting(
        tuple(label.name for label in scene.found.labels),
        scene.found.source,
        scene.prompt.text,
        scene.prompt.source,
        text.result().cut if embedded else 0,
    )
