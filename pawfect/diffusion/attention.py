"""What computes the transformer's attention: the profile's choice, through diffusers' dispatcher.

Whatever is named computes the attention or fails; only `auto` may choose.
"""

from __future__ import annotations

from importlib.util import find_spec
from logging import getLogger
from types import MappingProxyType
from typing import Any, Final

import torch
from diffusers.models.attention_dispatch import (
    AttentionBackendName,
    attention_backend,
    dispatch_attention_fn,
)

# By the profile's word. `auto`: torch chooses for each call, and may choose the plain products.
# `efficient`: torch's memory-efficient kernel; `math`: plain products, which hold every token
# against every other; `xformers`: its own kernel. These three give way to nothing.
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
MEND: Final = 'set attention = "auto" in the model\'s table of the profile'
INSTALL: Final = (
    "run `python -m pip install --no-deps xformers` in the server's environment (a build for its "
    f"torch), or {MEND}"
)
# It says at each choice that the mechanism may change; the library's version is pinned.
getLogger("diffusers.models.modeling_utils").addFilter(
    lambda record: "experimental feature" not in record.getMessage()
)


class AttentionError(RuntimeError):
    """A way of computing attention that is not here, in one sentence that says how to mend it."""


def use_attention(module: Any, attention: str) -> None:
    """Have a transformer's blocks compute their attention one way, and try it once.

    Args:
        module: diffusers' transformer of any chain with its weights, on its device.
        attention: a key of BACKENDS.

    Raises:
        AttentionError: the package is not installed, or has no kernel for the module's device,
            dtype and head width; the module then computes as before.
    """
    backend = BACKENDS[attention]
    lacking = attention == "xformers" and find_spec("xformers") is None
    try:
        # The library sets what all other modules of the process compute with, too: put back.
        with attention_backend(backend):
            _try(module, backend)
        with attention_backend(AttentionBackendName.NATIVE):
            module.set_attention_backend(backend.value)
    # What torch, xformers and diffusers raise for a kernel that is not there.
    except (RuntimeError, ValueError, NotImplementedError) as error:
        # Their first sentence; what follows are other ways out than this one's.
        said = str(error).strip().splitlines()[0].partition(". ")[0].rstrip(".")
        mend = INSTALL if lacking else MEND
        raise AttentionError(f"attention {attention}: {said}; {mend}") from None


@torch.inference_mode()
def _try(module: Any, backend: AttentionBackendName) -> None:
    """Compute one attention of the module's heads; raises as the kernel does."""
    # Of what no scheme quantises: on the device and in the dtype of what it computes.
    config, like = module.config, module.transformer_blocks[0].attn.norm_q.weight
    shape = (1, TRIAL_TOKENS, config["num_attention_heads"], config["attention_head_dim"])
    values = torch.zeros(shape, device=like.device, dtype=like.dtype)
    dispatch_attention_fn(values, values, values, backend=backend)
