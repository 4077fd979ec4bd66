"""How a search's variations change the task of a candidate that is denoised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from pawfect.orchestrator.engine import Task, Toward
from pawfect.search.tries import GUIDANCE, NEIGHBOURHOOD, PROMPT, REFINED, RENOISED, Try

# Changes a task as one variation has it.
Vary = Callable[[Task, str, Try], Task]
# What is asked for where nothing better is known: whatever goes on behind the hole.
_NEUTRAL: Final = "background"
_MAX_GUIDANCE: Final = 100.0


def varied(task: Task, engine: str, tried: Try) -> Task:
    """Return the task of a try; its parent's variation holds for it too.

    Args:
        task: the plain one.
        engine: one that denoises.
        tried: what is tried.
    """
    for each in (tried.parent, tried):
        vary = _CHANGES.get(each.variation.name) if each is not None else None
        if vary is not None and each is not None:
            task = vary(task, engine, each)
    return task


def _guided(task: Task, engine: str, tried: Try) -> Task:
    asked = task.request.params.guidance_scale
    deployed = task.deployment.chain(engine)
    usual = deployed.settings.guidance_scale if asked is None else asked
    # Off, as a model that is distilled needs it.
    if deployed.chain.negative and usual <= 1:
        return task
    scale = min(usual * float(tried.variation.settings["factor"]), _MAX_GUIDANCE)
    return with_params(task, guidance_scale=scale)


def _prompted(task: Task, engine: str, tried: Try) -> Task:
    """Ask for the first surface alone where there are several, else for nothing in particular."""
    del engine, tried
    labels = task.request.scene_labels
    prompt = labels[0] if len(labels) > 1 else _NEUTRAL
    return replace(task, request=replace(task.request, prompt=prompt))


def _renoised(task: Task, engine: str, tried: Try) -> Task:
    del engine
    return with_params(task, strength=float(tried.variation.settings["strength"]))


def _refined(task: Task, engine: str, tried: Try) -> Task:
    """Draw a part of what a refinement usually draws anew, or more."""
    del engine
    usual = task.request.params.strength or 1.0
    return with_params(task, strength=min(usual * float(tried.variation.settings["factor"]), 1.0))


def _turned_noise(task: Task, engine: str, tried: Try) -> Task:
    del engine
    assert tried.parent is not None
    toward = Toward(tried.seed, float(tried.variation.settings["angle"]))
    return replace(with_params(task, seed=tried.parent.seed), toward=toward)


_CHANGES: Final[Mapping[str, Vary]] = MappingProxyType(
    {
        GUIDANCE: _guided,
        PROMPT: _prompted,
        RENOISED: _renoised,
        REFINED: _refined,
        NEIGHBOURHOOD: _turned_noise,
    }
)


def settings_of(task: Task, guidance_scale: float | None, prompt: str | None) -> dict[str, Any]:
    """Return what a candidate was made with, as far as it is not every one's.

    Args:
        task: as it was varied.
        guidance_scale: that was in force; None: the model is not guided.
        prompt: that was in force, or None.
    """
    settings: dict[str, Any] = {"guidance_scale": guidance_scale, "prompt": prompt}
    settings["strength"] = task.request.params.strength
    if task.toward is not None:
        settings |= {"noise_seed": task.request.params.seed, "angle": task.toward.angle}
    return {name: value for name, value in settings.items() if value is not None}


def with_params(task: Task, **params: Any) -> Task:
    """Return a task with other scalars."""
    changed = replace(task.request.params, **params)
    return replace(task, request=replace(task.request, params=changed))
