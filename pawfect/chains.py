"""The denoising models by name; adding one is an entry here, its models' definitions and its parts.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pawfect.diffusion.chain import Chain
from pawfect.flux.chain import FLUX
from pawfect.klein.chain import KLEIN
from pawfect.qwen.chain import EDIT

CHAINS: Final[Mapping[str, Chain]] = MappingProxyType(
    {chain.name: chain for chain in (FLUX, KLEIN, EDIT)}
)
