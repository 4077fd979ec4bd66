"""How `inpaint` and diffusers' own pipeline are compared, engine by engine.

Both have one checkpoint of random weights in the real classes. FLUX.1's large one is large enough
that arithmetic takes the time, as it does at full size, and not the calls around it: its
transformer keeps the head width and few, wide blocks. With d = 1536 its linear layers weigh twice
as much as attention at 1024 px, where at full size (d = 3072) they weigh four times as much. Its
VAE is the tiny one's: beside a step it takes about the share that the published one takes at full
size. The tiny checkpoints, which the other engines have, are attention nearly alone; what full size
would save, the formulas beside them show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pawfect.profile import Profile, load_profile
from pawfect.settings import ChainSettings
from pawfect_export.tiny import edit, flux, klein
from perf.diffusion.pipelines import Sampling
from perf.diffusion.transformers import config_of

SMALL: Final = "small"
LARGE: Final = "large"
# Of the product's settings, what decides the work of a fill beside its working sizes.
DECIDES: Final = (
    "steps", "guidance_scale", "strength", "references", "negative_prompt", "shift", "text_tokens",
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """How one engine is compared.

    Attributes:
        engine: flux, klein or edit.
        tiny: the profile of its tiny checkpoint.
        profile: whose working sizes and settings are the product's.
        build: writes a checkpoint into a folder: seed, entries of configs by module.
        own: how the pipeline denoises in its own way; None: as the product does.
        sizes: of checkpoints by name: entries of the modules' configs that differ from the tiny's.
    """

    engine: str
    tiny: str
    profile: str
    build: Callable[[Path, int, Mapping[str, Mapping[str, Any]]], None]
    own: Sampling | None = None
    sizes: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(
        default_factory=lambda: MappingProxyType({SMALL: {}})
    )

    @property
    def settings(self) -> ChainSettings:
        """How the product runs the engine."""
        settings = load_profile(self.profile).chain(self.engine)
        assert settings is not None
        return settings

    @property
    def size(self) -> str:
        """The checkpoint that is compared where none is named: the largest."""
        return list(self.sizes)[-1]

    def profile_of(self, size: str, sizes: tuple[int, ...]) -> Profile:
        """Return the tiny profile with a checkpoint of `sizes` and other working sizes, px.

        It denoises as the product does. SAM3 and Florence-2 are left out: the request brings its
        labels, as it does after the queue.
        """
        base, product = load_profile(self.tiny), self.settings
        config = {**config_of(self.engine, tiny=True), **self.sizes[size].get("transformer", {})}
        widths = {"text_width": "joint_attention_dim", "pooled_width": "pooled_projection_dim"}
        own: dict[str, Any] = {name: config[key] for name, key in widths.items() if key in config}
        known = {one.name for one in fields(product)}
        own |= {name: getattr(product, name) for name in DECIDES if name in known}
        settings = base.chain(self.engine)
        assert settings is not None
        # A table is named as its engine.
        table: dict[str, Any] = {self.engine: replace(settings, sizes=sizes, **own)}
        return replace(base, name=f"versus-{size}", sam3=None, florence2=None, **table)


def _edit(folder: Path, seed: int, sizes: Mapping[str, Mapping[str, Any]]) -> None:
    edit.build(folder, seed, sizes=sizes)


COMPARED: Final[Mapping[str, Compared]] = MappingProxyType(
    {
        # The steps of the service before this one.
        "flux": Compared(
            "flux",
            "tiny",
            "t4",
            flux.build,
            Sampling(28, 30.0),
            {
                SMALL: {},
                LARGE: {
                    "transformer": {
                        "attention_head_dim": 128,
                        "axes_dims_rope": [16, 56, 56],
                        "num_attention_heads": 12,
                        "num_layers": 1,
                        "num_single_layers": 1,
                        "joint_attention_dim": 512,
                        "pooled_projection_dim": 256,
                    },
                    "text_encoder": {
                        "hidden_size": 256,
                        "intermediate_size": 1024,
                        "projection_dim": 256,
                    },
                    "text_encoder_2": {"d_ff": 1280, "d_kv": 64, "d_model": 512, "num_heads": 8},
                },
            },
        ),
        # Distilled to as many steps as the product takes.
        "klein": Compared("klein", "tiny-klein", "t4-klein", klein.build),
        # The pipeline's defaults, but that all steps run.
        "edit": Compared("edit", "tiny-edit", "l4-edit", _edit, Sampling(50, 4.0)),
    }
)
