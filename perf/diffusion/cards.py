"""Cards: the rates that they sustain, each low, likely and high, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pawfect.costs import CASES
from perf.diffusion.flops import Work

# Three rates in the order of CASES: low names the least time, so that its rate is the fastest.
Rates = tuple[float, float, float]
BYTES: Final = MappingProxyType({"float32": 4, "float16": 2, "bfloat16": 2})
# One call of a model from an orchestrator, which carries a whole step's tensors: 2 to 4 ms measured
# on the real server with 768 px.
CALL_MS: Final = (2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Card:
    """One kind of card, or a thread of a CPU.

    Attributes:
        name: for people.
        product: TFLOP/s of matrix products and convolutions by precision: float32, float16,
            bfloat16, int8.
        attention: FLOP/s of attention, as a share of a product's in the same precision.
        moved: GB/s that elementwise kernels read and write.
        launch_us: from one kernel of an eager model to the next, microseconds.
        usable_gib: memory that processes can share, GiB; infinite where it is not planned for.
        call_ms: of handing one call over, ms.
    """

    name: str
    product: Mapping[str, Rates]
    attention: Rates
    moved: Rates
    launch_us: Rates
    usable_gib: float = float("inf")
    call_ms: Rates = CALL_MS

    def flop_s(self, dtype: str, case: str) -> float:
        """Return FLOP/s of products in a precision."""
        return self.product[dtype][CASES.index(case)] * 1e12

    def moved_s(self, case: str) -> float:
        """Return bytes/s of elementwise kernels."""
        return self.moved[CASES.index(case)] * 1e9

    def seconds(self, work: Work, dtype: str, case: str, threads: int = 1) -> float:
        """Return how long a call takes: products, reading and moving one after another.

        Args:
            work: of the call.
            dtype: float32, float16 or bfloat16.
            case: low, likely or high.
            threads: of a CPU, whose rates are those of one.
        """
        at, rate = CASES.index(case), self.flop_s(dtype, case) * threads
        spent = work.products / rate + work.attention / (rate * self.attention[at])
        spent += (work.weights + work.moved) * BYTES[dtype] / self.moved_s(case)
        # Kernels are launched ahead while the card is busy.
        return max(spent, work.kernels * self.launch_us[at] / 1e6)


T4: Final = Card(
    "NVIDIA T4",
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
    attention=(0.9, 0.6, 0.4),
    # 320 GB/s on the data sheet; assumed 80, 70 and 60 % of it.
    moved=(256, 224, 192),
    launch_us=(5, 8, 12),
    # 16 GB less ECC and what the driver keeps.
    usable_gib=14.7,
)
L4: Final = Card(
    "NVIDIA L4",
    {
        # torch.matmul, 2048 to 10240 wide, at 72 W: fp16 52-69, bf16 54-71, fp32 10.7-15.4
        # (github.com/zzc0721/torch-performance-test-data/issues/120).
        "float16": (65, 54, 50),
        "bfloat16": (68, 57, 52),
        "float32": (15, 12, 10.5),
        # Not measured anywhere found: assumed 1.6 times fp16, as on the T4.
        "int8": (105, 86, 60),
    },
    attention=(0.9, 0.7, 0.5),
    # 300 GB/s on the data sheet; assumed 85, 75 and 65 % of it.
    moved=(255, 225, 195),
    launch_us=(5, 8, 12),
    usable_gib=22.0,
)
H200: Final = Card(
    "NVIDIA H200",
    {
        # Chosen so that the published 28 steps at 1024 x 1024, bf16 and eager, come out: 5.58 s, or
        # 373 TFLOP/s over all of a step (`make t4` prints the comparison). 989 on the data sheet.
        "float16": (700, 600, 450),
        "bfloat16": (700, 600, 450),
        "float32": (60, 50, 40),
        # Assumed 1.5 times bf16.
        "int8": (1200, 900, 600),
    },
    attention=(0.8, 0.58, 0.45),
    # 4800 GB/s on the data sheet.
    moved=(4500, 4000, 3400),
    launch_us=(3, 5, 8),
    usable_gib=138.0,
)
CPU: Final = Card(
    "a server CPU",
    # Of one thread, on a 2-core server CPU (EPYC) beside other work: 42 GFLOP/s for a product 1024
    # wide, 23 to 30 over a whole step and decode of the tiny models.
    {"float32": (0.060, 0.032, 0.020)},
    attention=(1.0, 0.8, 0.5),
    moved=(40, 20, 10),
    launch_us=(8, 15, 30),
    # Assumed.
    call_ms=(3, 6, 12),
)
# By profile: whose rates its stages are modelled with.
CARDS: Final = MappingProxyType({"t4": T4, "t4-klein": T4, "l4": L4, "l4-edit": L4, "h200": H200})
