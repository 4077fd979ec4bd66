"""FLOP, weights and moved values of one call of each full-size model.

Counted as torch's FlopCounterMode counts: a product of m x k and k x n is 2 m n k, norms and other
elementwise work nothing. FLUX's transformer and autoencoder grow with the canvas; the other models
see the same size every time. tests/perf/diffusion counts all of it again on the real modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


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


# SAM3 (transformers' Sam3Model) at 1008 px with all phrases of the vocabulary, eight in one batch;
# Florence-2's longest caption, 64 tokens by three beams at 768 px; T5's encoder with 128 tokens and
# CLIP's text model. Products within 1 % of what torch counts on the real modules.
LABELS: Final = Work(17.433e12, 9.605e12, weights=637.1e6, moved=47.08e9, kernels=3870)
CAPTION: Final = Work(477.11e9, 21.49e9, weights=5834.3e6, moved=2.061e9, kernels=9459)
TEXT: Final = Work(1198.5e9, 6.661e9, weights=4715.4e6, moved=0.319e9, kernels=708)

# FLUX.1's width, and how many blocks it has of either kind.
WIDTH: Final = 3072
DOUBLES: Final = 19
SINGLES: Final = 38
# Widths of the widest layer's input, behind the feed-forward layer of a single block.
WIDEST: Final = 5 * WIDTH
# A token passes four squares of the width for attention and eight for the feed-forward layer; a
# double block has them for text and picture each. Modulation: 12 squares in a double block, 3 in a
# single one.
BLOCK_WEIGHTS: Final = 12 * WIDTH**2 * (2 * DOUBLES + SINGLES)
MODULATION_WEIGHTS: Final = WIDTH**2 * (12 * DOUBLES + 3 * SINGLES)
# Around the blocks: the weights that a token of the picture (in 384, out 64 channels) and of the
# text passes, and those for timestep, guidance and pooled text, once per picture.
PICTURE_WEIGHTS: Final = (384 + 64) * WIDTH
TEXT_WEIGHTS: Final = 4096 * WIDTH
ONCE_WEIGHTS: Final = (2 * 256 + 768) * WIDTH + 5 * WIDTH**2
# How often elementwise kernels read or write a value of the width in a block, run one by one: norms
# of tokens, queries and keys, rotations, activations, gates, residuals (counted on the real ones:
# tests/perf/diffusion/test_flops.py). OUTER: around the blocks, the picture's tokens alone.
DOUBLE_PASSES: Final = 129
SINGLE_PASSES: Final = 126
OUTER_PASSES: Final = 6
# Launched with and without modulation in the layers.
KERNELS: Final = DOUBLES * 77.5 + SINGLES * 69 + 16
MODULATION_KERNELS: Final = 2 * DOUBLES + SINGLES


def flux_step(image_tokens: float, text_tokens: int, modulation: str = "layers") -> Work:
    """Return the work of one denoising step of one picture.

    Args:
        image_tokens: of the picture.
        text_tokens: of the prompt.
        modulation: "layers", or "cached" where the blocks' modulation comes from a cache.
    """
    tokens = image_tokens + text_tokens
    blocks = DOUBLES + SINGLES
    in_layers = modulation == "layers"
    once = ONCE_WEIGHTS + in_layers * MODULATION_WEIGHTS
    passed = 12 * WIDTH**2 * blocks * tokens + once
    passed += image_tokens * PICTURE_WEIGHTS + text_tokens * TEXT_WEIGHTS
    passes = DOUBLES * DOUBLE_PASSES + SINGLES * SINGLE_PASSES
    return Work(
        products=2 * passed,
        attention=4 * tokens**2 * WIDTH * blocks,
        weights=BLOCK_WEIGHTS + PICTURE_WEIGHTS + TEXT_WEIGHTS + once,
        moved=WIDTH * (passes * tokens + OUTER_PASSES * image_tokens),
        kernels=KERNELS + in_layers * MODULATION_KERNELS,
    )


def vae_encode(pixels: float) -> Work:
    """Return the work of encoding one picture; attention sees each cell of 8 x 8 pixels."""
    return Work(4132096 * pixels, pixels**2 / 2, 34246016, 6600 * pixels, 109.5)


def vae_decode(pixels: float) -> Work:
    """Return the work of decoding to one picture."""
    return Work(9462784 * pixels, pixels**2 / 2, 49507712, 10496 * pixels, 140.375)
