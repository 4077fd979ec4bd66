"""What a network is described by: layers, attention, what its kernels move and hold.

`flops` counts FLOP and weights by a description, `memory` bytes, `estimates` seconds; those of the
published models are in `published`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# Which tokens pass a layer: the picture's (of a vision tower: its patches), those four by four as
# one, the text's, all of them; or one row for each item, whatever it shows.
PICTURE: Final = "picture"
FOURS: Final = "fours"
TEXT: Final = "text"
ALL: Final = "all"
ONCE: Final = "once"
# How a layer may be stored: quantised in the blocks, as modulation (which can be computed once for
# each timestep and kept off the card), or always in the profile's dtype.
BLOCK: Final = "block"
MODULATION: Final = "modulation"
PLAIN: Final = "plain"


@dataclass(frozen=True)
class Linears:
    """Linear layers of one shape.

    Attributes:
        inputs: features.
        outputs: features.
        times: how many there are.
        seen: which tokens pass them.
        stored: BLOCK, MODULATION or PLAIN.
        bias: whether each output has one.
    """

    inputs: int
    outputs: int
    times: int = 1
    seen: str = ALL
    stored: str = BLOCK
    bias: bool = True

    @property
    def weights(self) -> int:
        """Weights of all of them, without biases."""
        return self.inputs * self.outputs * self.times

    def rows(self, picture: float, text: float) -> float:
        """Return how many rows pass each of them for one item."""
        counts = {
            PICTURE: picture,
            FOURS: picture / 4,
            TEXT: text,
            ALL: picture + text,
            ONCE: 1.0,
        }
        return counts[self.seen]


@dataclass(frozen=True)
class Network:
    """A transformer, of tokens.

    Attributes:
        width: of its stream: the unit of `passes` and `peak`.
        linears: its linear layers.
        parameters: all values that it holds.
        attention: heads times their width, summed over the blocks in which each token attends to
            all: its two products take 4 FLOP for each of these and each pair of tokens.
        near: FLOP of attention for each token where it attends to a window of fixed size.
        passes: how often kernels that compute no product read or write a value of the width, for
            each token, run one by one: norms, rotations, activations, gates, residuals.
        outer: the same around the blocks, for the picture's tokens alone.
        kernels: how many are launched, roughly, without those of the modulation's layers.
        peak: bytes that live at the peak of a call, in values of tokens x width: within one block.
        plain_peak: the same where plain products compute the attention, without its scores.
    """

    width: int
    linears: tuple[Linears, ...]
    parameters: int
    attention: int
    passes: float
    kernels: float
    peak: float
    plain_peak: float = 0.0
    near: float = 0.0
    outer: float = 0.0

    def of(self, *stored: str) -> Iterator[Linears]:
        """Yield the layers that are stored in one of these ways."""
        return (layer for layer in self.linears if layer.stored in stored)

    @property
    def largest(self) -> int:
        """Weights of the largest layer of a block."""
        return max(layer.inputs * layer.outputs for layer in self.of(BLOCK))


@dataclass(frozen=True)
class Coder:
    """One direction of a convolutional autoencoder, by pixels of the picture.

    Attributes:
        products: FLOP of convolutions and linear layers for each pixel.
        attention: FLOP for each pair of pixels: of cells of 8 x 8, which all attend to all.
        weights: that it reads.
        moved: values that its other kernels read and write, for each pixel.
        kernels: how many are launched.
        peak: bytes that live at the peak, in values of pixels x `Autoencoder.width`.
    """

    products: float
    attention: float
    weights: int
    moved: float
    kernels: float
    peak: float


@dataclass(frozen=True)
class Autoencoder:
    """An autoencoder: encoder and decoder are one module, which both processes hold.

    Attributes:
        width: of its first and last convolutions.
        parameters: all values that it holds.
        encode: pictures to latents.
        decode: latents to pictures.
    """

    width: int
    parameters: int
    encode: Coder
    decode: Coder


@dataclass(frozen=True)
class Networks:
    """The networks of one chain.

    Attributes:
        transformer: of its steps.
        autoencoder: at both ends.
        text: its text encoder; None: T5 and CLIP, which `flops.TEXT` counts at one length.
        vision: what looks at pictures for the text encoder; None: nothing does.
        patches: that one picture is cut into for `vision`.
        shown: tokens that one picture is to the text encoder, and so to the steps.
    """

    transformer: Network
    autoencoder: Autoencoder
    text: Network | None = None
    vision: Network | None = None
    patches: int = 0
    shown: int = 0
