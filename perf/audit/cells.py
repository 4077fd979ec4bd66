"""Cells: one session at one setting, and the identity that keeps any from being run twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from pawfect import __version__
from pawfect.profile import Profile
from perf.audit.matrix import Matrix
from perf.audit.sessions import Session


@dataclass(frozen=True, order=True)
class Setting:
    """What an audit varies.

    Attributes:
        quantisation: entry of the weights' manifest for `flux_transformer`.
        size: working size, px.
        strength: above 0 to 1.
        prompt: name of the prompt, see `perf.audit.matrix.Axes`.
        guidance: guidance scale.
        steps: denoising steps.
        attention: what computed the transformer's attention; None: the profile's own, in journals
            from before it was varied.
        tile_px: side, px, above which the VAE worked in tiles, 0: never; None: likewise.
    """

    quantisation: str
    size: int
    strength: float
    prompt: str
    guidance: float
    steps: int
    attention: str | None = None
    tile_px: int | None = None

    def __str__(self) -> str:
        return ", ".join(
            f"{name} {value}" for name, value in vars(self).items() if value is not None
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
    axes = matrix.axes.of(profile)
    loaded = product(axes.quantisation, axes.size, axes.attention or (), axes.tile_px or ())
    for quantisation, size, attention, tile_px in loaded:
        weights = {**profile.fill_weights, "flux_transformer": quantisation}
        common = {
            "version": __version__,
            "profile": _profile_digest(profile, tile_px),
            "weights": {component: identities[entry] for component, entry in weights.items()},
            "deadline_ms": matrix.deadline_ms,
        }
        for session, strength, prompt, guidance, steps, seed in product(
            sessions, axes.strength, axes.prompt, axes.guidance, axes.steps, matrix.seeds
        ):
            setting = Setting(
                quantisation, size, strength, prompt, guidance, steps, attention, tile_px
            )
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


def _told(setting: Setting) -> dict[str, Any]:
    """Return what an identity says of a setting itself.

    Tiles are told with the profile, as they were before they were varied; of the attention only
    what was not in force then: so journals of that time go on.
    """
    told = asdict(setting)
    del told["tile_px"]
    if setting.attention == "auto":
        del told["attention"]
    return told


def _profile_digest(profile: Profile, tile_px: int) -> str:
    """Return a digest of what the profile decides and no cell says of itself."""
    assert profile.flux is not None
    # Each cell says these itself; an approved audit may then change them without voiding its cells.
    flux = replace(profile.flux, steps=1, guidance_scale=1.0, sizes=(), compile_reason="")
    told = vars(replace(flux, tile_px=tile_px))
    said = ", ".join(f"{k}={v!r}" for k, v in told.items() if not k.startswith("attention"))
    others = map(repr, (profile.sam3, profile.florence2, profile.lama))
    decides = f"({profile.name!r}, FluxSettings({said}), {', '.join(others)})"
    return hashlib.sha256(decides.encode()).hexdigest()[:16]
