"""Work into seconds: products by the card's rates, kernels between them by its memory's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from perf.flux.cards import Rates
from perf.flux.flops import flux
from perf.flux.flops.work import Work
from perf.flux.parameters import BYTES
from perf.flux.storage import Storage

# Of the values that enter and leave a block's linear layers, in widths of the model per token:
# double blocks have q, k, v (one in, one out each), the output and the two of the MLP.
DOUBLE_WIDTHS: Final = 18
SINGLE_WIDTHS: Final = 17


def seconds(work: Work, rates: Rates, dtype: str, *, threads: int = 1) -> float:
    """Return how long a call takes: product, reading and moving one after another.

    Args:
        work: of the call.
        rates: of the card.
        dtype: float32, float16 or bfloat16.
        threads: of a CPU, whose rates are those of one.
    """
    rate = rates.product[dtype] * threads
    size = BYTES[dtype]
    spent = (work.linear + work.convolution) / rate + work.attention / (rate * rates.attention)
    spent += (work.weights + work.moved) * size / rates.moved
    # Kernels are launched ahead while the card is busy.
    return max(spent, work.kernels * rates.launch_s)


def step_seconds(
    config: Mapping[str, Any],
    work: Work,
    rows: float,
    rates: Rates,
    dtype: str,
    storage: Storage,
    modulation: str,
) -> float:
    """Return how long a denoising step takes.

    Args:
        config: of the transformer.
        work: of the step, as `flops.flux` gives it.
        rows: tokens of picture and text, of all items.
        rates: of the card.
        dtype: of the arithmetic that is not quantised.
        storage: of the blocks' weights.
        modulation: `layers` or `cached`.
    """
    width = flux.inner_width(config)
    doubles, singles = int(config["num_layers"]), int(config["num_single_layers"])
    weights = flux.block_weights(config)
    spent = seconds(work, rates, dtype)
    if storage.compute is not None:
        # The blocks' products at the other rate; each token passes 12 squares of the width.
        flop = 2 * rows * 12 * width**2 * (doubles + singles)
        spent += flop / rates.product[storage.compute] - flop / rates.product[dtype]
        values = rows * width * (DOUBLE_WIDTHS * doubles + SINGLE_WIDTHS * singles)
        spent += values * storage.around_bytes / rates.moved
        size = (storage.bits or 8) / 8
        spent += weights * (size - BYTES[dtype]) / rates.moved
    if storage.modulation and modulation == "layers":
        weights += flux.modulation_weights(config)
    return spent + weights * storage.decode_bytes / rates.moved
