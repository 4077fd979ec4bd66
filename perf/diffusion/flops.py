"""FLOP, weights and moved values of one call of each full-size model.

Counted as torch's FlopCounterMode counts: a product of m x k and k x n is 2 m n k, norms and other
elementwise work nothing. The denoising models grow with their pictures and texts, by `published`;
SAM3, Florence-2 and FLUX.1's text encoders see the same size every time. tests/perf/diffusion
counts all of it again on the real modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from perf.diffusion.networks import BLOCK, MODULATION, PLAIN, Coder, Network, Networks


@dataclass(frozen=True)
class Work:
    """What one call computes and moves.

    Attributes:
        products: FLOP of linear layers and convolutions.
        attention: FLOP of attention's two products.
        weights: how many weights the layers read.
        moved: how many values elementwise kernels (norms, activations, residuals, rotations) read
            and write, run one by one.
        kernels: how many kernels are launched, roughly.
    """

    products: float
    attention: float
    weights: float
    moved: float
    kernels: float

    @property
    def flop(self) -> float:
        """All FLOP."""
        return self.products + self.attention

    def __add__(self, other: Work) -> Work:
        """Return the work of both."""
        return Work(
            self.products + other.products,
            self.attention + other.attention,
            self.weights + other.weights,
            self.moved + other.moved,
            self.kernels + other.kernels,
        )


# SAM3 (transformers' Sam3Model) at 1008 px with all phrases of the vocabulary, eight in one batch;
# Florence-2's longest caption, 64 tokens by three beams at 768 px; T5's encoder with 128 tokens and
# CLIP's text model. Products within 1 % of what torch counts on the real modules.
LABELS: Final = Work(17.433e12, 9.605e12, weights=637.1e6, moved=47.08e9, kernels=3870)
CAPTION: Final = Work(477.11e9, 21.49e9, weights=5834.3e6, moved=2.061e9, kernels=9459)
TEXT: Final = Work(1198.5e9, 6.661e9, weights=4715.4e6, moved=0.319e9, kernels=708)


@dataclass(frozen=True)
class BlockWork:
    """What the blocks' linear layers, which can be quantised, do of one call.

    Attributes:
        flop: of their products.
        values: that enter and leave them.
        weights: that they read.
    """

    flop: float
    values: float
    weights: float


def network_work(
    network: Network, picture: float, text: float, modulation: str = "layers", items: int = 1
) -> Work:
    """Return the work of one call of a network.

    Args:
        network: of `published`.
        picture: tokens of all pictures of one item.
        text: tokens of one item.
        modulation: `layers`, or `cached` where the blocks' modulation comes from a cache.
        items: of the batch.
    """
    layers = network.linears
    if modulation == "cached":
        layers = tuple(network.of(BLOCK, PLAIN))
    tokens = picture + text
    products = sum(2 * layer.weights * layer.rows(picture, text) for layer in layers)
    modulations = sum(layer.times for layer in layers if layer.stored == MODULATION)
    return Work(
        products=items * products,
        attention=items * (4 * tokens**2 * network.attention + network.near * picture),
        weights=sum(layer.weights for layer in layers),
        moved=items * network.width * (network.passes * tokens + network.outer * picture),
        kernels=network.kernels + modulations,
    )


def block_work(network: Network, picture: float, text: float, items: int = 1) -> BlockWork:
    """Return what the blocks' layers do of one call; arguments as of `network_work`."""
    layers = tuple(network.of(BLOCK))
    rows = [items * layer.rows(picture, text) for layer in layers]
    ends = [layer.times * (layer.inputs + layer.outputs) for layer in layers]
    return BlockWork(
        flop=sum(2 * layer.weights * count for layer, count in zip(layers, rows, strict=True)),
        values=sum(end * count for end, count in zip(ends, rows, strict=True)),
        weights=sum(layer.weights for layer in layers),
    )


def text_work(networks: Networks, tokens: int, pictures: int = 1) -> Work:
    """Return the work of embedding one prompt.

    Args:
        networks: of the chain.
        tokens: of the prompt, with its template.
        pictures: that an encoder is shown which looks at pictures.
    """
    if networks.text is None:
        return TEXT
    work = network_work(networks.text, 0, shown_tokens(networks, tokens, pictures))
    if networks.vision is not None:
        # Each picture attends to itself alone.
        for _ in range(pictures):
            work += network_work(networks.vision, networks.patches, 0)
    return work


def shown_tokens(networks: Networks, tokens: int, pictures: int = 1) -> int:
    """Return the text tokens of a step: those of a prompt, and of the pictures in it."""
    return tokens + pictures * networks.shown


def coder_work(coder: Coder, pixels: float) -> Work:
    """Return the work of encoding to, or decoding from, the latents of one picture."""
    return Work(
        products=coder.products * pixels,
        attention=coder.attention * pixels**2,
        weights=coder.weights,
        moved=coder.moved * pixels,
        kernels=coder.kernels,
    )
