"""Cells: one session at one setting, and the identity that keeps any from being run twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from pawfect import __version__
from pawfect.flux.chain import FLUX
from pawfect.profile import Profile
from perf.audit.engines import has, settings_of
from perf.audit.matrix import Matrix
from perf.audit.sessions import Session


@dataclass(frozen=True, order=True)
class Setting:
    """What an audit varies.

    Attributes:
        quantisation: entry of the weights' manifest for the engine's transformer.
        size: working size, px.
        strength: above 0 to 1.
        prompt: name of the prompt, see `perf.audit.axes.Axes`.
        guidance: guidance scale; None: the engine is not guided.
        steps: denoising steps.
        attention: what computed the transformer's attention; None: the profile's own, in journals
            from before it was varied.
        tile_px: side, px, above which the VAE worked in tiles, 0: never; None: likewise.
        engine: what denoised; FLUX in journals from before there were others.
        references: whether its steps were shown the photo as its floor fills it; None: the engine
            has no such setting.
    """

    quantisation: str
    size: int
    strength: float
    prompt: str
    guidance: float | None
    steps: int
    attention: str | None = None
    tile_px: int | None = None
    engine: str = FLUX.name
    references: bool | None = None

    def __str__(self) -> str:
        return ", ".join(
            f"{name} {value}"
            for name, value in {"engine": self.engine, **vars(self)}.items()
            if value is not None
        )


@dataclass(frozen=True)
class Cell:
    """One session at one setting with one seed.

    Attributes:
        setting: what is tried.
        session: the session's name.
        seed: of the noise.
        identity: 16 hexadecimal digits that stand for everything that decides the pixels.
    """

    setting: Setting
    session: str
    seed: int
    identity: str


def cells_of(
    matrix: Matrix,
    sessions: Sequence[Session],
    profile: Profile,
    identities: Mapping[str, str],
) -> Iterator[Cell]:
    """Yield a matrix's cells, those that share loaded weights and a working size in a row.

    Args:
        matrix: what is tried.
        sessions: its sessions, loaded.
        profile: the matrix's.
        identities: of the weights by entry, for all quantisations and the profile's own.
    """
    for engine, axes in matrix.axes.by_engine(profile).items():
        loaded = product(axes["quantisation"], axes["size"], axes["attention"], axes["tile_px"])
        for quantisation, size, attention, tile_px in loaded:
            weights = {**_weights(profile, engine), f"{engine}_transformer": quantisation}
            common = {
                "version": __version__,
                "profile": _profile_digest(profile, engine, tile_px),
                "weights": {component: identities[entry] for component, entry in weights.items()},
                "deadline_ms": matrix.deadline_ms,
            }
            varied = ("references", "strength", "prompt", "guidance", "steps")
            for session, *values, seed in product(
                sessions, *(axes[axis] for axis in varied), matrix.seeds
            ):
                references, strength, prompt, guidance, steps = values
                setting = Setting(
                    quantisation, size, strength, prompt, guidance, steps,
                    attention, tile_px, engine, references,
                )  # fmt: skip
                own = {
                    **common,
                    "setting": _told(setting),
                    "session": session.digest,
                    "text": session.source.text(prompt),
                    "seed": seed,
                }
                text = json.dumps(own, sort_keys=True)
                identity = hashlib.sha256(text.encode()).hexdigest()[:16]
                yield Cell(setting, session.name, seed, identity)


def _weights(profile: Profile, engine: str) -> dict[str, str]:
    """Return the entries that an engine's fills are made with: all but the other chains'."""
    others = set(profile.chains) - {engine}
    entries = profile.fill_weights.items()
    return {part: entry for part, entry in entries if part.partition("_")[0] not in others}


def _told(setting: Setting) -> dict[str, Any]:
    """Return what an identity says of a setting itself.

    Tiles are told with the profile, as they were before they were varied; of the rest only what was
    not in force before it was varied: so journals of that time go on.
    """
    told = asdict(setting)
    del told["tile_px"]
    before = {"attention": "auto", "engine": FLUX.name, "references": None}
    return {name: value for name, value in told.items() if before.get(name, ...) != value}


def _profile_digest(profile: Profile, engine: str, tile_px: int) -> str:
    """Return a digest of what the profile decides and no cell says of itself."""
    settings = settings_of(profile, engine)
    # Each cell says these itself; an approved audit may then change them without voiding its cells.
    said: dict[str, Any] = {"steps": 1, "guidance_scale": 1.0, "sizes": (), "strength": 1.0}
    if has(profile, engine, "references"):
        said["references"] = True
    neutral = replace(settings, **said, compile_reason="", tile_px=tile_px)
    told = ", ".join(
        f"{k}={v!r}" for k, v in vars(neutral).items() if not k.startswith("attention")
    )
    others = map(repr, (profile.sam3, profile.florence2, profile.lama))
    decides = f"({profile.name!r}, {type(settings).__name__}({told}), {', '.join(others)})"
    return hashlib.sha256(decides.encode()).hexdigest()[:16]
