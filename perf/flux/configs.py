"""The configs of a profile's models: of the weights that are here, else as published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pawfect.contract.errors import PawfectError
from pawfect.profile import Profile
from pawfect.weights.manifest import BUILT, manifest
from pawfect.weights.reading import read_json
from pawfect.weights.store import weights_root
from perf.flux.parameters import published
from perf.flux.storage import Storage, storage_of

# By component: the file in its entry's folder, and the published config.
TRANSFORMER: Final = "transformer"
FILES: Final[Mapping[str, tuple[str, str, str]]] = {
    TRANSFORMER: ("flux_transformer", "transformer/config.json", "flux_transformer"),
    "vae": ("flux", "vae/config.json", "flux_vae"),
    "clip": ("flux", "text_encoder/config.json", "clip_text_encoder"),
    "t5": ("flux", "text_encoder_2/config.json", "t5_text_encoder"),
    "sam3": ("sam3", "config.json", "sam3"),
    "florence2": ("florence2", "config.json", "florence2_base"),
}
# Entries of the full-size models begin so: without weights, what is published stands for them.
FULL_SIZE: Final = ("flux-fill-dev", "sam3", "florence2-base")


@dataclass(frozen=True)
class Configs:
    """The configs of one profile's models.

    Attributes:
        parts: by component: transformer, vae, clip, t5, sam3, florence2; those that the profile
            has.
        storage: how the transformer's weights are stored; None without FLUX.
        caption_px: side of the picture that Florence-2 takes.
        published: whether all are the full-size models.
    """

    parts: Mapping[str, Mapping[str, Any]]
    storage: Storage | None
    caption_px: int
    published: bool


def configs_of(
    profile: Profile, root: Path | None = None, *, kernels: str | None = None
) -> Configs | None:
    """Read the configs of a profile's models.

    Args:
        profile: whose.
        root: the weights' root; None: the configured one.
        kernels: as `storage_of` takes it.

    Returns:
        They, or None where a model is neither here nor a published one.
    """
    root = weights_root() if root is None else root
    parts: dict[str, Mapping[str, Any]] = {}
    for part, (component, file, name) in FILES.items():
        entry = profile.weights.get(component)
        if entry is None:
            continue
        config: Mapping[str, Any] | None = _read(root / entry / file)
        if config is None and entry.startswith(FULL_SIZE):
            config = published(name).config
        if config is None:
            return None
        parts[part] = config
    names = profile.weights.values()
    return Configs(
        parts,
        _storage(profile, root, kernels),
        _caption_px(root / profile.weights.get("florence2", "")),
        all(entry.startswith(FULL_SIZE) for entry in names),
    )


def _storage(profile: Profile, root: Path, kernels: str | None) -> Storage | None:
    entry = profile.weights.get("flux_transformer")
    if entry is None:
        return None
    try:
        built = manifest()[entry].kind == BUILT
    except (KeyError, PawfectError):
        built = False
    folder = root / entry
    return storage_of(entry, folder if folder.is_dir() else None, built=built, kernels=kernels)


def _caption_px(folder: Path) -> int:
    size = (_read(folder / "preprocessor_config.json") or {}).get("size", {})
    side = size.get("height") if isinstance(size, dict) else None
    return side if isinstance(side, int) and side > 0 else 768


def _read(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, or None where it is missing or damaged: its model says so itself."""
    try:
        return read_json(path.parent, path.name)
    except PawfectError:
        return None
