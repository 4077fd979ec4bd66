"""The T4 has no bfloat16: nothing of the `t4` profile computes or stores in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pawfect.diffusion.batch import answer_steps
from pawfect.flux.text import TextEncoder
from pawfect.flux.transformer import Transformer
from pawfect.flux.vae import Vae
from pawfect.profile import load_profile
from pawfect.scene.florence2 import Captioner
from pawfect.scene.lexicon import labelled_surfaces
from pawfect.scene.sam3 import SurfaceLabeller
from pawfect.scene.sam3_network import Sam3
from pawfect_export.quantise import build
from tests.steps import step

T4 = load_profile("t4")


class Watch(TorchDispatchMode):
    """Remembers the dtypes of all tensors that any operation takes or gives."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        leaves = tree_leaves((args, kwargs, result))
        self.seen |= {leaf.dtype for leaf in leaves if isinstance(leaf, torch.Tensor)}
        return result


@pytest.mark.parametrize("scheme", ["int4", "int8"])
def test_the_transformer_computes_without_bfloat16(flux_folder, tmp_path, scheme):
    # The source is published in bfloat16, as the tiny one is.
    build(tmp_path, flux_folder, scheme=scheme)
    assert T4.flux.dtype == "float16"
    model = Transformer.load(tmp_path, device="cpu", dtype=T4.flux.dtype)
    with Watch() as watch:
        (answer,) = answer_steps(model, [step(0)])
    assert np.isfinite(answer["VELOCITY"]).all()
    assert torch.bfloat16 not in watch.seen
    assert {torch.float16, torch.int8, torch.int32} <= watch.seen
    tensors = (*model.module.parameters(), *model.module.buffers())
    assert torch.bfloat16 not in {tensor.dtype for tensor in tensors}


IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
RING = np.full((64, 64), 255, np.uint8)
Run = Callable[[], object]


def text(root: Path) -> Run:
    folder = root / "tiny-flux-fill"
    encoder = TextEncoder.load(folder, device="cpu", dtype=T4.flux.text_dtype, tokens=16)
    return lambda: encoder.encode("green grass")


def vae(root: Path) -> Run:
    model = Vae.load(root / "tiny-flux-fill", device="cpu", dtype=T4.flux.dtype, tile_px=0)
    return lambda: model.decode(model.encode(IMAGE, RING, 0, IMAGE).latents, (4, 4))


def sam3(root: Path) -> Run:
    network = Sam3.load(root / "tiny-sam3", device="cpu", dtype=T4.sam3.dtype)
    labeller = SurfaceLabeller(network, labelled_surfaces()[:2])
    return lambda: labeller.label(IMAGE, RING, least=0.0)


def florence2(root: Path) -> Run:
    captioner = Captioner.load(
        root / "tiny-florence2", device="cpu", dtype=T4.florence2.dtype, max_tokens=2
    )
    return lambda: captioner.caption(IMAGE, RING, "<CAPTION>")


@pytest.mark.parametrize("load", [text, vae, sam3, florence2])
def test_the_other_models_compute_without_bfloat16(tiny_weights, load):
    run = load(tiny_weights)
    with Watch() as watch:
        run()
    assert torch.bfloat16 not in watch.seen
    assert (torch.float32 if load is text else torch.float16) in watch.seen
