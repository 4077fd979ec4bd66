"""What computes the transformer's attention: the profile's choice, through diffusers' dispatcher.

Whatever is named computes the attention or fails; only `auto` may choose.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import torch
from diffusers.models.attention_dispatch import (
    AttentionBackendName,
    attention_backend,
    dispatch_attention_fn,
)

# By the profile's word. `auto`: torch chooses for each call, and may choose the plain path that
# holds every token against every other.
BACKENDS: Final = MappingProxyType(
    {
        "auto": AttentionBackendName.NATIVE,
        "efficient": AttentionBackendName._NATIVE_EFFICIENT,
        "math": AttentionBackendName._NATIVE_MATH,
        "xformers": AttentionBackendName.XFORMERS,
    }
)
# Tokens of the trial: whole tiles of every kernel.
TRIAL_TOKENS: Final = 64
MEND_XFORMERS: Final = (
    "run `python -m pip install --no-deps xformers` in the server's environment (its build must be "
    'for this torch), or set flux.attention = "auto"'
)
MEND: Final = 'set flux.attention = "auto"'


class AttentionError(RuntimeError):
    """A way of computing attention that is not here, in one sentence that says how to mend it."""


def use_attention(module: Any, attention: str) -> None:
    """Have a transformer's blocks compute their attention one way, and try it once.

    Args:
        module: diffusers' FluxTransformer2DModel with its weights, on its device.
        attention: a key of BACKENDS.

    Raises:
        AttentionError: the package is not installed, or has no kernel for the module's device,
            dtype and head width; the module then computes as before.
    """
    backend = BACKENDS[attention]
    mend = MEND_XFORMERS if attention == "xformers" else MEND
    try:
        # The library sets what all other modules of the process compute with, too: put back.
        with attention_backend(backend):
            _try(module, backend)
        with attention_backend(AttentionBackendName.NATIVE):
            module.set_attention_backend(backend.value)
    # What torch, xformers and diffusers raise for a kernel that is not there.
    except (RuntimeError, ValueError, NotImplementedError) as error:
        said = str(error).strip().splitlines()[0].rstrip(".")
        raise AttentionError(f"attention {attention}: {said}; {mend}") from None


@torch.inference_mode()
def _try(module: Any, backend: AttentionBackendName) -> None:
    """Compute one attention of the module's heads; raises as the kernel does."""
    config, like = module.config, next(iter(module.x_embedder.parameters()))
    shape = (1, TRIAL_TOKENS, config["num_attention_heads"], config["attention_head_dim"])
    values = torch.zeros(shape, device=like.device, dtype=like.dtype)
    dispatch_attention_fn(values, values, values, backend=backend)
