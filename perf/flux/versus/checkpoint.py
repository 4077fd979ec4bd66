"""The checkpoint that both sides load: FLUX-Fill's own classes, random weights of a seed.

Large enough that arithmetic takes the time, as it does at full size, and not the calls around it.
The transformer keeps FLUX's head width and few, wide blocks: with d = 1536 its linear layers weigh
twice as much as attention at 1024 px, where at full size (d = 3072) they weigh four times as much.
The VAE is the tiny one's: beside a step it takes the share that the published one takes at full
size (decoding 0.14 of a step at 1024 px, encoding 0.08 against 0.07).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pawfect.flux.schedule import read_schedule
from pawfect.orchestrator.deployment import Deployment
from pawfect.profile import Profile, load_profile
from pawfect.weights.store import Store
from pawfect_export.tiny import flux as tiny

SEED: Final = 0


@dataclass(frozen=True)
class Size:
    """A checkpoint's size.

    Attributes:
        name: of its folder.
        modules: entries of the modules' configs that differ from the tiny checkpoint's.
        prompt_width: of a text embedding.
        pooled_width: of the pooled embedding.
    """

    name: str
    modules: MappingProxyType[str, Any]
    prompt_width: int
    pooled_width: int


SMALL: Final = Size("small", MappingProxyType({}), tiny.PROMPT_WIDTH, tiny.POOLED_WIDTH)
LARGE: Final = Size(
    "large",
    MappingProxyType(
        {
            "transformer": {
                "attention_head_dim": 128,
                "axes_dims_rope": [16, 56, 56],
                "num_attention_heads": 12,
                "num_layers": 1,
                "num_single_layers": 1,
                "joint_attention_dim": 512,
                "pooled_projection_dim": 256,
            },
            "text_encoder": {"hidden_size": 256, "intermediate_size": 1024, "projection_dim": 256},
            "text_encoder_2": {"d_ff": 1280, "d_kv": 64, "d_model": 512, "num_heads": 8},
        }
    ),
    512,
    256,
)
SIZES: Final = MappingProxyType({size.name: size for size in (SMALL, LARGE)})


class OneFolder(Store):
    """A store whose every entry is one folder that was just built."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self._path = path

    def folder(self, name: str, *, mend: str) -> Path:
        """Return the folder, whatever the entry."""
        return self._path


def build(root: Path, size: Size) -> Path:
    """Build a checkpoint below a folder, or keep the one that is there; return its folder."""
    folder, stamp = root / size.name, root / f"{size.name}.json"
    made = json.dumps({"seed": SEED, "modules": dict(size.modules)}, sort_keys=True)
    if not stamp.is_file() or stamp.read_text() != made:
        tiny.build(folder, SEED, size.modules)
        stamp.write_text(made)
    return folder


def profile_of(size: Size, sizes: tuple[int, ...], steps: int) -> Profile:
    """Return the tiny profile with this checkpoint, and with the working sizes of another.

    SAM3 and Florence-2 are left out: the request brings its labels, as it does after the queue.

    Args:
        size: of the checkpoint.
        sizes: working sizes, px.
        steps: denoising steps.
    """
    profile = load_profile("tiny")
    assert profile.flux is not None
    flux = replace(
        profile.flux,
        sizes=sizes,
        steps=steps,
        text_width=size.prompt_width,
        pooled_width=size.pooled_width,
    )
    return replace(profile, name=f"versus-{size.name}", flux=flux, sam3=None, florence2=None)


def deployment_of(folder: Path, profile: Profile) -> Deployment:
    """Return what the orchestrator reads of a checkpoint."""
    weights = {"flux": f"random, seed {SEED}"}
    return Deployment(profile, read_schedule(folder), MappingProxyType(weights))


def parameters_of(folder: Path) -> dict[str, int]:
    """Return how many parameters each module's files hold."""
    from safetensors import safe_open

    counts: dict[str, int] = {}
    for path in sorted(folder.rglob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                count = 1
                for side in file.get_slice(name).get_shape():
                    count *= side
                counts[path.parent.name] = counts.get(path.parent.name, 0) + count
    return counts
