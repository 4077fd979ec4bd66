"""The networks of the published models: FLUX.1-Fill, FLUX.2 [klein] 4B, Qwen-Image-Edit.

tests/perf/diffusion counts all of it again on the real classes at full size.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from perf.diffusion.networks import (
    FOURS,
    MODULATION,
    ONCE,
    PICTURE,
    PLAIN,
    TEXT,
    Autoencoder,
    Coder,
    Linears,
    Network,
    Networks,
)


def _streams(width: int, hidden: int, gate: int, blocks: int, *, bias: bool) -> tuple[Linears, ...]:
    """Return the layers of blocks that have them for text and picture each.

    Args:
        width: of the stream.
        hidden: of the feed-forward layer.
        gate: how often the first feed-forward layer makes the hidden width: 2 with a gate.
        blocks: how many.
        bias: whether layers have biases.
    """
    return tuple(
        layer
        for seen in (PICTURE, TEXT)
        for layer in (
            Linears(width, width, 4 * blocks, seen, bias=bias),
            Linears(width, gate * hidden, blocks, seen, bias=bias),
            Linears(hidden, width, blocks, seen, bias=bias),
        )
    )


# The width of all three transformers: 24 heads of 128.
WIDTH: Final = 3072
HEAD: Final = 128

# FLUX.1-Fill: 19 double and 38 single blocks (config of black-forest-labs/FLUX.1-Fill-dev).
FLUX: Final = Network(
    width=WIDTH,
    linears=(
        *_streams(WIDTH, 4 * WIDTH, 1, 19, bias=True),
        Linears(WIDTH, WIDTH, 3 * 38),
        Linears(WIDTH, 4 * WIDTH, 38),
        Linears(5 * WIDTH, WIDTH, 38),
        Linears(WIDTH, 6 * WIDTH, 2 * 19, ONCE, MODULATION),
        Linears(WIDTH, 3 * WIDTH, 38, ONCE, MODULATION),
        Linears(384, WIDTH, 1, PICTURE, PLAIN),
        Linears(WIDTH, 64, 1, PICTURE, PLAIN),
        Linears(4096, WIDTH, 1, TEXT, PLAIN),
        # Timestep and guidance, pooled text, the last norm.
        Linears(256, WIDTH, 2, ONCE, PLAIN),
        Linears(768, WIDTH, 1, ONCE, PLAIN),
        Linears(WIDTH, WIDTH, 3, ONCE, PLAIN),
        Linears(WIDTH, 2 * WIDTH, 1, ONCE, PLAIN),
    ),
    parameters=11_902_391_360,
    attention=WIDTH * (19 + 38),
    passes=19 * 129 + 38 * 126,
    outer=6,
    kernels=19 * 77.5 + 38 * 69 + 16,
    # In the single blocks: queries, keys, values, the MLP's hidden layer and its input together.
    peak=17.6,
    plain_peak=18.6,
)
FLUX_AUTOENCODER: Final = Autoencoder(
    width=128,
    parameters=83_819_683,
    encode=Coder(4_132_096, 1 / 2, 34_246_016, 6600, 109.5, 5.1),
    decode=Coder(9_462_784, 1 / 2, 49_507_712, 10496, 140.375, 6.1),
)

# FLUX.2 [klein] 4B: 5 double and 20 single blocks, gated feed-forward layers of three widths, no
# biases, and one modulation for all blocks of a kind (config of black-forest-labs/FLUX.2-klein-4B).
KLEIN: Final = Network(
    width=WIDTH,
    linears=(
        *_streams(WIDTH, 3 * WIDTH, 2, 5, bias=False),
        # Queries, keys, values and the feed-forward layer's gate and hidden layer in one.
        Linears(WIDTH, 9 * WIDTH, 20, bias=False),
        Linears(4 * WIDTH, WIDTH, 20, bias=False),
        Linears(WIDTH, 6 * WIDTH, 2, ONCE, PLAIN, bias=False),
        Linears(WIDTH, 3 * WIDTH, 1, ONCE, PLAIN, bias=False),
        Linears(128, WIDTH, 1, PICTURE, PLAIN, bias=False),
        Linears(WIDTH, 128, 1, PICTURE, PLAIN, bias=False),
        Linears(3 * 2560, WIDTH, 1, TEXT, PLAIN, bias=False),
        Linears(256, WIDTH, 1, ONCE, PLAIN, bias=False),
        Linears(WIDTH, WIDTH, 1, ONCE, PLAIN, bias=False),
        Linears(WIDTH, 2 * WIDTH, 1, ONCE, PLAIN, bias=False),
    ),
    parameters=3_875_544_576,
    attention=WIDTH * (5 + 20),
    passes=5 * 137 + 20 * 129.5,
    outer=8,
    kernels=5 * 93 + 20 * 45 + 142,
    # In the single blocks, whose first layer gives nine widths at once.
    peak=21.8,
    plain_peak=21.8,
)
KLEIN_AUTOENCODER: Final = Autoencoder(
    width=128,
    parameters=84_046_115,
    encode=Coder(4_136_832, 1 / 2, 34_397_568, 6740, 115, 5.1),
    decode=Coder(9_465_120, 1 / 2, 49_582_464, 11290, 145, 6.1),
)
# Qwen3-4B as far as its 27th layer, the last whose output klein takes: 32 heads of 128, of keys and
# values 8 (config of Qwen/Qwen3-4B).
QWEN3: Final = Network(
    width=2560,
    linears=(
        Linears(2560, 4096, 27, bias=False),
        Linears(2560, 1024, 2 * 27, bias=False),
        Linears(4096, 2560, 27, bias=False),
        Linears(2560, 9728, 2 * 27, bias=False),
        Linears(9728, 2560, 27, bias=False),
    ),
    parameters=3_114_088_192,
    attention=4096 * 27,
    passes=27 * 124.7 + 29,
    kernels=27 * 59 + 39,
    # The outputs of all layers are kept, those of the feed-forward layer live with them.
    peak=41.0,
)

# Qwen-Image-Edit: 60 double blocks, each with a modulation of its own for either stream, of the
# timestep alone (config of Qwen/Qwen-Image-Edit-2509).
EDIT: Final = Network(
    width=WIDTH,
    linears=(
        *_streams(WIDTH, 4 * WIDTH, 1, 60, bias=True),
        Linears(WIDTH, 6 * WIDTH, 2 * 60, ONCE, MODULATION),
        Linears(64, WIDTH, 1, PICTURE, PLAIN),
        Linears(WIDTH, 64, 1, PICTURE, PLAIN),
        Linears(3584, WIDTH, 1, TEXT, PLAIN),
        Linears(256, WIDTH, 1, ONCE, PLAIN),
        Linears(WIDTH, WIDTH, 1, ONCE, PLAIN),
        Linears(WIDTH, 2 * WIDTH, 1, ONCE, PLAIN),
    ),
    parameters=20_430_401_088,
    attention=WIDTH * 60,
    passes=60 * 92.9,
    outer=7,
    kernels=60 * 90 + 33,
    peak=14.8,
    plain_peak=17.3,
)
# One for videos, of which a picture is the first frame: its kernels read two frames of zeros too.
EDIT_AUTOENCODER: Final = Autoencoder(
    width=96,
    parameters=126_892_531,
    encode=Coder(6_656_864, 3 / 8, 53_581_408, 14250, 257, 10.2),
    decode=Coder(10_748_168, 3 / 8, 73_275_232, 23100, 334, 18.1),
)
# Qwen2.5-VL-7B's language model: 28 layers, 28 heads of 128, of keys and values 4.
QWEN2_5: Final = Network(
    width=3584,
    linears=(
        Linears(3584, 3584, 2 * 28),
        Linears(3584, 512, 2 * 28),
        Linears(3584, 18944, 2 * 28, bias=False),
        Linears(18944, 3584, 28, bias=False),
    ),
    parameters=7_070_619_136,
    attention=3584 * 28,
    passes=28 * 80.5 + 24.5,
    kernels=28 * 38 + 26,
    peak=19.5,
)
# Its vision tower: 32 blocks, of which 4 attend to the whole picture and the others to windows of
# 8 x 8 patches; then four patches become one token. None of it is quantised.
VISION: Final = Network(
    width=1280,
    linears=(
        Linears(1280, 3840, 32, PICTURE, PLAIN),
        Linears(1280, 1280, 32, PICTURE, PLAIN),
        Linears(1280, 3420, 2 * 32, PICTURE, PLAIN),
        Linears(3420, 1280, 32, PICTURE, PLAIN),
        Linears(1176, 1280, 1, PICTURE, PLAIN, bias=False),
        Linears(5120, 5120, 1, FOURS, PLAIN),
        Linears(5120, 3584, 1, FOURS, PLAIN),
    ),
    parameters=676_550_144,
    attention=1280 * 4,
    near=4.0 * 64 * 1280 * 28,
    passes=32 * 111.4 + 31,
    kernels=32 * 57 + 53,
    peak=0.0,
)

NETWORKS: Final[Mapping[str, Networks]] = MappingProxyType(
    {
        "flux": Networks(FLUX, FLUX_AUTOENCODER),
        "klein": Networks(KLEIN, KLEIN_AUTOENCODER, QWEN3),
        # EditPlus shows the encoder each picture at 384 x 384 px: 28 patches of 14 px a side.
        "edit": Networks(EDIT, EDIT_AUTOENCODER, QWEN2_5, VISION, patches=28 * 28, shown=14 * 14),
    }
)
