"""The denoising engines of a profile, and which of an audit's settings each of them has."""

from __future__ import annotations

from dataclasses import fields

from pawfect.chains import CHAINS
from pawfect.contract.parameters import DENOISING
from pawfect.orchestrator.deployment import barred
from pawfect.profile import Profile
from pawfect.settings import ChainSettings


def engines_of(profile: Profile) -> tuple[str, ...]:
    """Return the engines that denoise and are not barred by their licence, in `auto`'s order."""
    bars = barred(profile)
    return tuple(name for name in profile.denoising if name not in bars)


def settings_of(profile: Profile, engine: str) -> ChainSettings:
    """Return how an engine of a profile runs."""
    settings = profile.chain(engine)
    assert settings is not None
    return settings


def engine_of(entry: str) -> str | None:
    """Return the engine that an entry of the weights' manifest is for; None: no denoising one.

    Its name says so by a word: tiny-klein-int4, qwen-edit-2509-int8.
    """
    words = entry.split("-")
    return next((engine for engine in DENOISING if engine in words), None)


def has(profile: Profile, engine: str, axis: str) -> bool:
    """Say whether an engine has a setting.

    Args:
        profile: that has the engine.
        engine: one that denoises.
        axis: of `perf.audit.axes.AXES`.
    """
    if axis == "guidance":
        return CHAINS[engine].guided
    if axis == "references":
        return axis in {field.name for field in fields(settings_of(profile, engine))}
    return True
