"""The engines that denoise, one per chain; their floor is LaMa's fill or the patches'."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.orchestrator import budget
from pawfect.orchestrator.attempts import Failed
from pawfect.orchestrator.chain_models import Picture, Text, encode_text
from pawfect.orchestrator.check import check_fill
from pawfect.orchestrator.control import dropped
from pawfect.orchestrator.deployment import DeployedChain
from pawfect.orchestrator.engine import Fill, Prompting, Task
from pawfect.orchestrator.generate import FLOOR_STANDS, Generated, Start, generate
from pawfect.orchestrator.lama import floor_photo, weights_of
from pawfect.orchestrator.patch import reports, seed_of
from pawfect.orchestrator.patched import Patched
from pawfect.orchestrator.planner import Planned, choose, plan_fill
from pawfect.orchestrator.surroundings import Surroundings, find_surroundings
from pawfect.scene.instructions import removal_instruction
from pawfect.scene.prompt import Prompt, build_prompt

# Longest side, px, of the floor: as large as the largest canvas of a 16 GB card.
FLOOR_PX: Final = 1024

Known = TypeVar("Known")


@dataclass(frozen=True)
class Scene:
    """What surrounds the holes, the prompt that follows from it, and the text that is embedded."""

    found: Surroundings
    prompt: Prompt
    text: str


@dataclass(frozen=True, eq=False)
class Concurrent:
    """Work that goes on beside the denoising.

    Attributes:
        floor: the photo filled without it.
        scene: what surrounds the holes.
        text: the prompt's embeddings; None where the text encoder looks at each canvas itself.
    """

    floor: asyncio.Future[Patched]
    scene: asyncio.Future[Scene]
    text: asyncio.Future[Text] | None


@dataclass(frozen=True, eq=False)
class Checked:
    """A fill, what its check found wrong with it, and all that was done without."""

    generated: Generated
    problem: str | None
    fallbacks: tuple[Fallback, ...]


async def fill_by_chain(name: str, task: Task) -> Fill:
    """Fill by a denoising model; where it fails and was not insisted on, by its floor.

    Args:
        name: of the chain, and of the engine.
        task: the request.

    Raises:
        PawfectError: CANCELLED; what the chain raised where the request asked for it by name, at
            once where no plan fits its deadline; what `patch_fill` raised where both failed.
    """
    insists = task.request.params.engine == name
    # It ends early enough for the floor to be handed over in time.
    own = task if insists else replace(task, control=task.control.reserving(budget.FLOOR_MS))
    try:
        deployed = task.deployment.chain(name)
        planned = await asyncio.to_thread(plan_fill, own, deployed)
    except PawfectError as error:
        if insists:
            raise
        # Where it does not even begin, the patches are the fill, and not its floor.
        patched = await _floor(task, None)
        prompting = Prompting.of_request(task.request)
        failing = _after_failure(task, name, patched, prompting, Failed(error))
        return _with_floor(failing, patched)
    floor = asyncio.ensure_future(_floor(task, FLOOR_PX))
    scene = asyncio.ensure_future(_describe(own, deployed))
    text = None
    if not deployed.chain.sees_pictures:
        text = asyncio.ensure_future(_embed(own, deployed, scene))
    try:
        fill = await _fill(own, deployed, planned, Concurrent(floor, scene, text))
        return _with_floor(fill, _finished(floor))
    finally:
        await dropped(*(work for work in (text, scene, floor) if work is not None))


async def _floor(task: Task, most_px: int | None) -> Patched:
    return task.floor or await floor_photo(task, most_px, FLOOR_STANDS)


async def _fill(
    task: Task, deployed: DeployedChain, planned: Planned, concurrent: Concurrent
) -> Fill:
    """Generate and check; a second seed where the check fails, then the floor."""
    name = deployed.chain.name
    insists = task.request.params.engine == name
    try:
        start = await _start(task, deployed, planned, concurrent.floor)
    except PawfectError as error:
        task.control.raise_if_over(error)
        if insists:
            raise
        # There is no floor to hand over either: this raises what it raised.
        return _after_failure(
            task, name, await concurrent.floor, _prompting(task, concurrent), Failed(error)
        )
    before = planned.fallbacks + start.fallbacks
    seed = task.request.params.seed
    first = await _generate_checked(task, deployed, start, seed, concurrent)
    # As far as the scene is known by now.
    prompting = _prompting(task, concurrent)
    before += _scene_fallbacks(concurrent)
    if isinstance(first, Failed):
        if insists:
            raise first.error
        failed = Failed(first.error, before + first.fallbacks)
        return _after_failure(task, name, await concurrent.floor, prompting, failed)
    best, fallbacks = first, before + first.fallbacks
    if first.problem is not None and _time_for_another(task, first.generated):
        fallbacks += (Fallback("check", first.problem, "a second seed"),)
        run = first.generated.run
        second = await _generate_checked(
            task, deployed, replace(start, plan=run.plan),
            seed_of(seed, len(run.plan.canvases)), concurrent, run.slowness,
        )  # fmt: skip
        fallbacks += second.fallbacks
        if isinstance(second, Checked):
            best = second
        elif insists:
            kind = second.error.kind
            fallbacks += (Fallback("check", str(second.error), "the first fill", kind),)
        else:
            fill = _made(task, deployed, first, prompting, first)
            failed = Failed(second.error, fallbacks)
            failing = _after_failure(task, name, await concurrent.floor, prompting, failed)
            return replace(
                failing, check=fill.check, denoising=fill.denoising, weights=fill.weights
            )
    fill = replace(_made(task, deployed, best, prompting, first), fallbacks=fallbacks)
    if best.problem is None or insists:
        return fill
    return await _instead(task, fill, best.problem, concurrent.floor)


async def _generate_checked(
    task: Task,
    deployed: DeployedChain,
    start: Start,
    seed: int,
    concurrent: Concurrent,
    slowness: float | None = None,
) -> Checked | Failed:
    text = _Texts(task, deployed, concurrent)
    made = await generate(task, deployed, start, seed, text, slowness)
    if isinstance(made, Failed):
        return made
    found = (await concurrent.scene).found
    try:
        result = await check_fill(task, made.run.picture, found, concurrent.floor)
    except PawfectError as error:
        if error.kind in (ErrorKind.CANCELLED, ErrorKind.INVALID_ARG):
            raise
        return Failed(error, made.run.fallbacks)
    return Checked(made, result.problem, made.run.fallbacks + result.fallbacks)


@dataclass(frozen=True, eq=False)
class _Texts:
    """The embeddings of the prompt for each canvas; see `pawfect.orchestrator.generate.Texts`."""

    task: Task
    deployed: DeployedChain
    concurrent: Concurrent

    async def of(self, picture: Picture | None) -> Text:
        """Return what a canvas is denoised with; `picture` is what an encoder looks at."""
        if self.concurrent.text is not None:
            return await asyncio.shield(self.concurrent.text)
        assert picture is not None
        scene = await asyncio.shield(self.concurrent.scene)
        settings, asked = self.deployed.settings, self.task.request.params.guidance_scale
        guidance = settings.guidance_scale if asked is None else asked
        unwanted = settings.unwanted if guidance > 1 else ""
        chain = self.deployed.chain
        return await encode_text(self.task, chain, scene.text, (picture,), unwanted)

    def raised(self, error: PawfectError) -> bool:
        """Say whether it was the text that failed for all canvases."""
        text = self.concurrent.text
        ended = text is not None and text.done() and not text.cancelled()
        return ended and text is not None and text.exception() is error


async def _start(
    task: Task, deployed: DeployedChain, planned: Planned, floor: asyncio.Future[Patched]
) -> Start:
    """Wait for the floor where denoising starts from it; without one, start from noise.

    Raises:
        PawfectError: why there is no floor, where the model cannot do without.
    """
    wish, plan = planned.wish, planned.plan
    put_back = deployed.chain.put_back is not None
    if wish.strength == 1 and not put_back:
        return Start(wish, plan)
    if task.start is not None:
        return Start(wish, plan, task.start)
    try:
        return Start(wish, plan, (await asyncio.shield(floor)).image)
    except PawfectError as error:
        task.control.raise_if_over(error)
        if put_back:
            raise
        failed = Fallback("patch_fill", str(error), "strength 1", error.kind)
        whole = replace(wish, strength=1.0, prior_ms=0.0)
        chosen = choose(whole, deployed.costs, task.control.within_ms)
        return Start(whole, chosen or plan, None, (failed,))


async def _describe(task: Task, deployed: DeployedChain) -> Scene:
    found = await find_surroundings(task)
    asked = task.request.prompt
    if asked is not None and task.deployment.verbatim:
        return Scene(found, Prompt(asked, len(asked.split()), "prompt"), asked)
    prompt = build_prompt(found.labels, found.caption, asked)
    instructed = deployed.chain.references
    return Scene(found, prompt, removal_instruction(prompt) if instructed else prompt.text)


async def _embed(task: Task, deployed: DeployedChain, scene: asyncio.Future[Scene]) -> Text:
    described = await asyncio.shield(scene)
    return await encode_text(task, deployed.chain, described.text)


def _time_for_another(task: Task, made: Generated) -> bool:
    return task.control.remaining_ms() > budget.SECOND_TRY * made.run.again_ms


def _made(
    task: Task, deployed: DeployedChain, checked: Checked, prompting: Prompting, first: Checked
) -> Fill:
    made = checked.generated
    passed = "passed" if task.deployment.profile.check else None
    # Of a second seed nothing was known when the first prediction was made.
    predicted_ms = first.generated.run.denoising.predicted_ms
    return Fill(
        made.run.picture,
        deployed.chain.name,
        made.windows,
        prompting,
        checked.fallbacks,
        denoising=replace(made.run.denoising, predicted_ms=predicted_ms),
        check=checked.problem or passed,
        weights=_weights(task, deployed),
    )


def _weights(task: Task, deployed: DeployedChain) -> dict[str, str]:
    """Return the weights that a fill was made with: all but those of the other chains."""
    others = {name for name in task.deployment.chains if name != deployed.chain.name}
    own = task.deployment.weights.items()
    return {part: identity for part, identity in own if part.partition("_")[0] not in others}


async def _instead(task: Task, fill: Fill, problem: str, floor: asyncio.Future[Patched]) -> Fill:
    """Return the patches in the place of a fill with a problem, where there are any."""
    try:
        patched = await asyncio.shield(floor)
    except PawfectError as error:
        if error.kind is ErrorKind.CANCELLED:
            raise
        instead = f"{fill.engine}, check failed"
        failed = Fallback("patch_fill", str(error), instead, error.kind)
        return replace(fill, fallbacks=(*fill.fallbacks, failed))
    return replace(
        fill,
        image=patched.image,
        engine=patched.engine,
        windows=reports(task, patched),
        reason=f"{fill.engine}: {problem}",
        fallbacks=(*fill.fallbacks, Fallback("check", problem, patched.engine)),
    )


def _after_failure(
    task: Task, name: str, patched: Patched, prompting: Prompting, failed: Failed
) -> Fill:
    error = failed.error
    return Fill(
        patched.image,
        patched.engine,
        reports(task, patched),
        prompting,
        (*failed.fallbacks, Fallback(name, str(error), patched.engine, error.kind)),
        reason=f"{name} failed: {error}",
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
    known = None if text is None else _finished(text)
    return Prompting(
        tuple(label.name for label in scene.found.labels),
        scene.found.source,
        scene.text,
        scene.prompt.source,
        0 if known is None else known.cut,
    )
