"""The configs of the denoising models, made from their definitions: `make configs` writes them.

What is of one kind in every chain stands once: tensors as the registry has them, a cache where
there is a NONCE past it, batches where the model takes them, and a warm-up of the probe's tensors
at the widths of the full-size model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from pawfect.chains import CHAINS
from pawfect.contract.tensors import NONCE, Array, TensorSpec
from pawfect.diffusion.chain import Chain
from pawfect.model import Model
from pawfect.models import MODELS
from pawfect.profile import load_profile
from pawfect.serving import probe_inputs
from pawfect_triton.repository import CONFIG, source_folders

# A profile of each chain's full-size model, whose widths the warm-up has; a server is given those
# of its own profile.
FULL_SIZE: Final = MappingProxyType({"flux": "t4", "klein": "t4-klein", "edit": "l4-edit"})
WARM_UP: Final = "warmup"
_TRITONS: Final = MappingProxyType({"BYTES": "STRING"})
# Smallest probe that is sent as noise: pictures and masks, whose content does not matter.
_PICTURE_VALUES: Final = 1024
_HEAD: Final = """\
# Made from the model's definition by `make configs`.
name: "{name}"
backend: "python"
max_batch_size: {batch}
input [
{inputs}
]
output [
{outputs}
]
# Its own code places it on the device of the profile.
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
"""
_CACHE: Final = """\
# A repeated question costs nothing. Release 24.10 keeps failures too, as answers without outputs:
# who gets one asks again with a NONCE.
response_cache { enable: true }
"""
_BATCHES: Final = """\
# Steps of requests with the same working size, and references of the same sizes, share a batch.
# The model lingers after each batch until the next steps are back (`BatchModel`), so that the
# queue itself need not hold anything up. No max_queue_size: with one, release 24.10 sleeps up to
# 500 ms over a request that comes while the model is busy.
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 2000
}
"""
_SAMPLE: Final = """\
model_warmup [
  {{
    name: "smallest"
    batch_size: 1
{inputs}
  }}
]
"""
_GIVEN: Final = """\
    inputs {{
      key: "{name}"
      value: {{ data_type: {kind} dims: {dims} {content} }}
    }}"""


def chain_models() -> Iterator[tuple[Chain, Model]]:
    """Yield the models of every chain."""
    for model in MODELS.values():
        if model.settings is not None and model.settings in CHAINS:
            yield CHAINS[model.settings], model


def config_of(chain: Chain, model: Model) -> str:
    """Return a model's `config.pbtxt`."""
    spec = model.spec
    text = _HEAD.format(
        name=spec.name,
        batch=spec.max_batch_size,
        inputs=",\n".join(_tensor(tensor, _ragged(chain, tensor)) for tensor in spec.inputs),
        outputs=",\n".join(_tensor(tensor, ragged=False) for tensor in spec.outputs),
    )
    if any(tensor.name == NONCE for tensor in spec.inputs):
        text += _CACHE
    if model.batched:
        text += _BATCHES
    given = (_given(spec.input(name), array) for name, array in warm_up(chain, model).items())
    return text + _SAMPLE.format(inputs="\n".join(given))


def warm_up(chain: Chain, model: Model) -> dict[str, Array]:
    """Return the tensors of a model's warm-up: those that it needs, without a batch's axis."""
    arrays = probe_inputs(model.name, load_profile(FULL_SIZE[chain.name]))
    return {
        tensor.name: arrays[tensor.name][0] if model.batched else arrays[tensor.name]
        for tensor in model.spec.inputs
        if not tensor.optional
    }


def data_of(array: Array) -> bytes | None:
    """Return a warm-up tensor's file; None where zeros or noise do."""
    if array.dtype == object:
        texts = [value if isinstance(value, bytes) else str(value).encode() for value in array.flat]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    plain = not np.any(array) or (array.dtype == np.uint8 and array.size >= _PICTURE_VALUES)
    return None if plain else np.ascontiguousarray(array).tobytes()


def write_configs(folder: Path) -> None:
    """Write the configs and warm-up files of all chains into a model repository."""
    for chain, model in chain_models():
        own = folder / model.name
        own.mkdir(exist_ok=True)
        (own / CONFIG).write_text(config_of(chain, model), "utf-8")
        for name, array in warm_up(chain, model).items():
            if (data := data_of(array)) is not None:
                (own / WARM_UP).mkdir(exist_ok=True)
                (own / WARM_UP / name.lower()).write_bytes(data)


def _ragged(chain: Chain, tensor: TensorSpec) -> bool:
    """Say whether requests whose tensors differ in length share a batch, padded by the model."""
    return chain.sees_pictures and tensor.name.endswith("_EMBEDS")


def _tensor(tensor: TensorSpec, ragged: bool) -> str:
    more = " allow_ragged_batch: true" if ragged else ""
    more += " optional: true" if tensor.optional else ""
    dims = _dims(tensor.shape)
    return f'  {{ name: "{tensor.name}" data_type: {_type(tensor)} dims: {dims}{more} }}'


def _given(tensor: TensorSpec, array: Array) -> str:
    content = "zero_data: true"
    if data_of(array) is not None:
        content = f'input_data_file: "{tensor.name.lower()}"'
    elif np.any(array):
        content = "random_data: true"
    return _GIVEN.format(
        name=tensor.name, kind=_type(tensor), dims=_dims(array.shape), content=content
    )


def _dims(shape: tuple[int, ...]) -> str:
    return f"[ {', '.join(map(str, shape))} ]"


def _type(tensor: TensorSpec) -> str:
    return f"TYPE_{_TRITONS.get(tensor.datatype, tensor.datatype)}"


if __name__ == "__main__":
    write_configs(source_folders()[0])
