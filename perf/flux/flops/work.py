"""What one call computes and moves, and the layers that models are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What one call computes and moves; additive, and `times` a number.

    Attributes:
        linear: FLOP of linear layers.
        attention: FLOP of attention's two products.
        convolution: FLOP of convolutions.
        weights: how many weights the layers read.
        moved: how many values elementwise kernels (norms, activations, residuals, rotations) read
            and write, run one by one.
        kernels: how many kernels are launched, roughly.
    """

    linear: float = 0.0
    attention: float = 0.0
    convolution: float = 0.0
    weights: float = 0.0
    moved: float = 0.0
    kernels: float = 0.0

    @property
    def flop(self) -> float:
        """All FLOP."""
        return self.linear + self.attention + self.convolution

    def __add__(self, other: Work) -> Work:
        return Work(
            self.linear + other.linear,
            self.attention + other.attention,
            self.convolution + other.convolution,
            self.weights + other.weights,
            self.moved + other.moved,
            self.kernels + other.kernels,
        )

    def times(self, count: float) -> Work:
        """Return so many calls as one: each reads the weights again."""
        return Work(
            self.linear * count,
            self.attention * count,
            self.convolution * count,
            self.weights * count,
            self.moved * count,
            self.kernels * count,
        )


NOTHING = Work()


def linear(rows: float, inputs: int, outputs: int) -> Work:
    """Return a linear layer's work for so many rows."""
    weights = inputs * outputs
    return Work(linear=2 * rows * weights, weights=weights, kernels=1)


def attention(batch: float, queries: float, keys: float, width: int) -> Work:
    """Return the work of attention's two products, all heads together `width` wide."""
    return Work(attention=4 * batch * queries * keys * width, kernels=1)


def convolution(
    cells: float, inputs: int, outputs: int, size: int, *, groups: int = 1, passes: float = 0
) -> Work:
    """Return a convolution's work.

    Args:
        cells: of the output; of the input where it is transposed.
        inputs: channels.
        outputs: channels.
        size: side of the kernel.
        groups: channels are split into, not connected with one another.
        passes: how often elementwise kernels around it read or write its output.
    """
    weights = inputs // groups * outputs * size * size
    return Work(
        convolution=2 * cells * weights,
        weights=weights,
        moved=passes * cells * outputs,
        kernels=1 + passes / 2,
    )


def elementwise(values: float, passes: float) -> Work:
    """Return the work of elementwise kernels that together read and write `values` so often."""
    return Work(moved=values * passes, kernels=passes / 2)
