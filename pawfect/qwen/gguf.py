"""Names of the tensors in GGUF files of Qwen-Image's transformer: diffusers' own, one by one.

Qwen-Image was published in diffusers' layout; the conversions that people fetch keep its names and
say that they are `qwen_image` (https://github.com/city96/ComfyUI-GGUF, tools/convert.py).
"""

from __future__ import annotations

from typing import Any, Final

from pawfect.diffusion.gguf import Published


def parts_of(module: Any) -> dict[str, tuple[str, ...]]:
    """Return by published name the module's own tensors that each published one holds."""
    return {name: (name,) for name in module.state_dict()}


PUBLISHED: Final = Published("qwen_image", parts_of)
