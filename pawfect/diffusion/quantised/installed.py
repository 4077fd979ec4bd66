"""Which kernels for integer layers are installed; imports no torch, for whoever plans with them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

# The release whose calls `pawfect.diffusion.quantised.kernels` makes: 0.x, whose interface is not
# settled.
COMFY_KITCHEN: Final = "0.2.40"


def has_comfy_kitchen() -> bool:
    """Say whether that very release is installed; whether it runs here is another question."""
    try:
        return version("comfy-kitchen") == COMFY_KITCHEN
    except PackageNotFoundError:
        return False
