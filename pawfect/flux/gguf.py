"""Names of the tensors in GGUF files of FLUX's transformer: as Black Forest Labs publish them."""

from __future__ import annotations

from typing import Any, Final

from pawfect.diffusion.gguf import Published
from pawfect.flux.published_names import halves_swapped, published_names


def parts_of(module: Any) -> dict[str, tuple[str, ...]]:
    """Return by published name the module's own tensors that each published one holds."""
    config = module.config
    return published_names(
        config["num_layers"], config["num_single_layers"], guidance=config["guidance_embeds"]
    )


PUBLISHED: Final = Published("flux", parts_of, halves_swapped)
