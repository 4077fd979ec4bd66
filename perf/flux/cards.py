"""Cards: sustained rates, each low, likely and high, and where it comes from.

A case names what the time becomes: `low` has the fastest rates, `high` the slowest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pawfect.costs import CASES

TERA: Final = 1e12
GIGA: Final = 1e9


@dataclass(frozen=True)
class Rates:
    """What a card sustains.

    Attributes:
        product: FLOP/s of matrix products and convolutions by precision: float32, float16,
            bfloat16, int8.
        attention: FLOP/s of attention, as a share of a product's in the same precision.
        moved: bytes/s that elementwise kernels read and write.
        launch_s: from one kernel of an eager model to the next, s.
        call_s: of handing one call over, s.
    """

    product: Mapping[str, float]
    attention: float
    moved: float
    launch_s: float
    call_s: float


@dataclass(frozen=True)
class Card:
    """One kind of card.

    Attributes:
        name: for people.
        rates: by case.
        usable_gib: memory that processes can share, GiB; None: not planned for.
    """

    name: str
    rates: Mapping[str, Rates]
    usable_gib: float | None


def _card(
    name: str,
    usable_gib: float | None,
    product: Mapping[str, tuple[float, float, float]],
    attention: tuple[float, float, float],
    moved: tuple[float, float, float],
    launch_us: tuple[float, float, float],
    call_ms: tuple[float, float, float],
) -> Card:
    """Build a card from triples in the order of CASES: fast, likely, slow.

    Args:
        name: of the card.
        usable_gib: as `Card` has it.
        product: TFLOP/s by precision.
        attention: share of a product's rate.
        moved: GB/s.
        launch_us: microseconds.
        call_ms: milliseconds.
    """
    rates = {
        case: Rates(
            MappingProxyType({kind: rate[at] * TERA for kind, rate in product.items()}),
            attention[at],
            moved[at] * GIGA,
            launch_us[at] / 1e6,
            call_ms[at] / 1e3,
        )
        for at, case in enumerate(CASES)
    }
    return Card(name, MappingProxyType(rates), usable_gib)


# One call of a model from an orchestrator, which carries a whole step's tensors: 2 to 4 ms measured
# on the real server with 768 px.
_CALL_MS: Final = (2.0, 3.0, 4.0)

T4: Final = _card(
    "NVIDIA T4",
    # 16 GB less ECC and what the driver keeps.
    14.7,
    {
        # 24 sustained at the 70 W cap, 4096 x 4096 x 4096 by cuBLAS
        # (forums.developer.nvidia.com/t/264462); bursts on a cool card reach 42, and what lasts a
        # few seconds lies between.
        "float16": (32, 25, 20),
        # No such units: by way of fp32, slower than it (github.com/openxla/xla/issues/12429).
        "bfloat16": (3.0, 2.4, 2.0),
        # 8.1 on the data sheet at the full clock, which the cap does not leave.
        "float32": (6.0, 5.0, 4.0),
        # cuBLASLt: 37.8 at 4096, 42.2 at 8192 in its own layouts (github.com/apache/tvm/pull/4550);
        # torch._int_mm's row-major path is "far less tuned" (Chennesxu/triton-turing, pull 19).
        "int8": (42, 38, 25),
    },
    # Assumed: sm_75 has torch's memory-efficient attention, not FlashAttention-2.
    (0.9, 0.6, 0.4),
    # 320 GB/s on the data sheet; assumed 80, 70 and 60 % of it.
    (256, 224, 192),
    (5, 8, 12),
    _CALL_MS,
)
L4: Final = _card(
    "NVIDIA L4",
    22.0,
    {
        # torch.matmul, 2048 to 10240 wide, at 72 W: fp16 52-69, bf16 54-71, fp32 10.7-15.4
        # (github.com/zzc0721/torch-performance-test-data/issues/120).
        "float16": (65, 54, 50),
        "bfloat16": (68, 57, 52),
        "float32": (15, 12, 10.5),
        # Not measured anywhere found: assumed 1.6 times fp16, as on the T4.
        "int8": (105, 86, 60),
    },
    (0.9, 0.7, 0.5),
    # 300 GB/s on the data sheet; assumed 85, 75 and 65 % of it.
    (255, 225, 195),
    (5, 8, 12),
    _CALL_MS,
)
H200: Final = _card(
    "NVIDIA H200",
    138.0,
    {
        # Chosen so that the published 28 steps at 1024 x 1024, bf16 and eager, come out: 5.58 s, or
        # 373 TFLOP/s over all of a step (`make t4` prints the comparison). 989 on the data sheet.
        "float16": (700, 600, 450),
        "bfloat16": (700, 600, 450),
        "float32": (60, 50, 40),
        # Assumed 1.5 times bf16.
        "int8": (1200, 900, 600),
    },
    (0.8, 0.58, 0.45),
    # 4800 GB/s on the data sheet.
    (4500, 4000, 3400),
    (3, 5, 8),
    _CALL_MS,
)
CPU: Final = _card(
    "a server CPU",
    None,
    {
        # Of one thread, on a 2-core server CPU (EPYC) beside other work: 42 GFLOP/s for a product
        # 1024 wide, 23 to 30 over a whole step and decode of the tiny models.
        "float32": (0.060, 0.032, 0.020),
        # Half precision is emulated.
        "float16": (0.030, 0.012, 0.004),
        "bfloat16": (0.060, 0.016, 0.004),
        "int8": (0.120, 0.050, 0.015),
    },
    (1.0, 0.8, 0.5),
    (40, 20, 10),
    (8, 15, 30),
    # Assumed.
    (3, 6, 12),
)
# By profile: whose rates its stages are modelled with.
CARDS: Final[Mapping[str, Card]] = MappingProxyType({"t4": T4, "l4": L4, "h200": H200})
