"""How entries name their scheme, and what decoding moves."""

from __future__ import annotations

import gguf
import pytest
import torch
from diffusers.quantizers.gguf.utils import dequantize_functions

from perf.flux.storage import (
    FUSED,
    GGUF,
    INTEGER,
    PLAIN,
    TORCH,
    scheme_of,
    storage_of,
)
from tests.perf.flux.tracking import moved


@pytest.mark.parametrize(
    ("entry", "scheme"),
    [
        ("flux-fill-dev-q4_0", "q4_0"),
        ("flux-fill-dev-q5_k_s", "q5_k_s"),
        ("flux-fill-dev-q8_0", "q8_0"),
        ("flux-fill-dev-turbo-int4", "int4"),
        ("flux-fill-dev-int8", "int8"),
        ("flux-fill-dev-transformer-bf16", "plain"),
        ("tiny-flux-fill", "plain"),
    ],
)
def test_an_entry_names_its_scheme(entry, scheme):
    assert scheme_of(entry) == scheme


def test_what_is_quantised_here_keeps_its_modulation_and_what_is_published_does_not():
    assert storage_of("flux-fill-dev-q4_0").modulation
    assert not storage_of("flux-fill-dev-turbo-q4_0").modulation
    assert not storage_of("flux-fill-dev-int4", kernels=FUSED).modulation
    assert storage_of("tiny-flux-fill") is PLAIN


def test_fused_kernels_move_less_than_torchs_own():
    for scheme in ("int8", "int4"):
        fused, torchs = INTEGER[scheme, FUSED], INTEGER[scheme, TORCH]
        assert fused.around_bytes < torchs.around_bytes
        assert fused.decode_bytes <= torchs.decode_bytes


@pytest.mark.parametrize(("name", "kind"), [("q4_0", "Q4_0"), ("q5_k_s", "Q5_K"), ("q8_0", "Q8_0")])
def test_decoding_gguf_moves_what_diffusers_kernels_read_and_write(name, kind):
    quantised = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[quantised]
    blocks = torch.zeros(4096, size, dtype=torch.uint8)
    decode = dequantize_functions[quantised]
    got = moved(lambda: decode(blocks, block, size, dtype=torch.float16)) / (4096 * block)
    assert GGUF[name].decode_bytes == pytest.approx(got, rel=0.1)
    assert GGUF[name].bits == 8 * size / block
