"""What models that edit by instruction are told."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from pawfect.scene.prompt import Prompt


def removal_instruction(prompt: Prompt) -> str:
    """Return the instruction for a removal: what goes on there, and never what was taken out.

    Args:
        prompt: built from the surfaces around the hole.
    """
    return _texts()["removal"].format(surfaces=prompt.text)


@cache
def _texts() -> dict[str, str]:
    text = (resources.files("pawfect") / "scene" / "instructions.toml").read_text("utf-8")
    return tomllib.loads(text)
