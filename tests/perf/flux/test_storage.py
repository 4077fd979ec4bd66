"""How entries name their scheme, and what decoding moves."""

from __future__ import annotations

import json

import gguf
import pytest
import torch
from diffusers.quantizers.gguf.utils import dequantize_functions
from safetensors.torch import save_file

from pawfect.flux.quantised.installed import COMFY_KITCHEN
from perf.flux.storage import (
    FUSED,
    GGUF,
    INTEGER,
    PLAIN,
    TORCH,
    installed_kernels,
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


def test_the_files_own_recipe_comes_before_the_name(tmp_path):
    inner = tmp_path / "transformer"
    inner.mkdir()
    recipe = {"pawfect_recipe": json.dumps({"scheme": "int8", "group": 0})}
    save_file({"w": torch.zeros(2)}, inner / "a.safetensors", metadata=recipe)
    assert scheme_of("some-name-int4", tmp_path) == "int8"


@pytest.mark.parametrize("content", [b"", b"\xff" * 30, b"\x02\0\0\0\0\0\0\0[]", b"\0" * 8])
def test_a_damaged_file_leaves_it_to_the_name(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    assert scheme_of("x-int4", tmp_path) == "int4"
    assert scheme_of("x", tmp_path) == "plain"


def test_what_is_quantised_here_keeps_its_modulation_and_what_is_published_does_not():
    assert storage_of("flux-fill-dev-q4_0").modulation
    assert not storage_of("flux-fill-dev-turbo-q4_0", built=True).modulation
    assert not storage_of("flux-fill-dev-int4", kernels=FUSED).modulation
    assert storage_of("tiny-flux-fill") is PLAIN


def test_fused_kernels_move_less_than_torchs_own():
    for scheme in ("int8", "int4"):
        fused, torchs = INTEGER[scheme, FUSED], INTEGER[scheme, TORCH]
        assert fused.around_bytes < torchs.around_bytes
        assert fused.decode_bytes <= torchs.decode_bytes


@pytest.mark.parametrize(
    ("version", "kernels"), [(COMFY_KITCHEN, FUSED), ("0.2.39", TORCH), ("0.3.0", TORCH)]
)
def test_only_the_release_that_is_called_counts_as_installed(
    version, kernels, tmp_path, monkeypatch
):
    folder = tmp_path / f"comfy_kitchen-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: comfy-kitchen\nVersion: {version}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_kernels() == kernels
    assert storage_of("flux-fill-dev-int4") is INTEGER["int4", kernels]


@pytest.mark.parametrize(("name", "kind"), [("q4_0", "Q4_0"), ("q5_k_s", "Q5_K"), ("q8_0", "Q8_0")])
def test_decoding_gguf_moves_what_diffusers_kernels_read_and_write(name, kind):
    quantised = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[quantised]
    blocks = torch.zeros(4096, size, dtype=torch.uint8)
    decode = dequantize_functions[quantised]
    got = moved(lambda: decode(blocks, block, size, dtype=torch.float16)) / (4096 * block)
    assert GGUF[name].decode_bytes == pytest.approx(got, rel=0.1)
    assert GGUF[name].bits == 8 * size / block
