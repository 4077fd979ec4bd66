"""The classes at the published sizes, without memory for their weights.

No published index of Qwen-Image-Edit's files can be read here: names and shapes are the classes'
own, built from the sizes that their configs are published with.
"""

from __future__ import annotations

import json
from math import prod

import pytest

from pawfect.qwen import text, transformer, vae
from pawfect_export.tiny.edit import TEXT_ENCODER, TRANSFORMER, VAE

DIM, WIDE = 24 * 128, 3584
PUBLISHED = {
    "transformer": {
        **TRANSFORMER,
        "attention_head_dim": 128,
        "axes_dims_rope": [16, 56, 56],
        "joint_attention_dim": WIDE,
        "num_attention_heads": 24,
        "num_layers": 60,
    },
    "vae": {**VAE, "base_dim": 96, "num_res_blocks": 2},
    "text_encoder": {
        **TEXT_ENCODER,
        "hidden_size": WIDE,
        "intermediate_size": 18_944,
        "num_attention_heads": 28,
        "num_hidden_layers": 28,
        "num_key_value_heads": 4,
        "rope_scaling": {"mrope_section": [16, 24, 24], "type": "mrope"},
        "vocab_size": 152_064,
        "vision_config": {
            **TEXT_ENCODER["vision_config"],
            "depth": 32,
            "fullatt_block_indexes": [7, 15, 23, 31],
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": WIDE,
        },
    },
}
BUILD = {
    "transformer": transformer.build_module,
    "vae": vae.build_module,
    "text_encoder": text.build_encoder,
}


@pytest.fixture
def shapes(tmp_path, request) -> dict[str, tuple[int, ...]]:
    """The tensors of a class at its published sizes."""
    config = PUBLISHED[request.param]
    (tmp_path / "config.json").write_text(json.dumps(config))
    module = BUILD[request.param](tmp_path)
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def counted(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(map(prod, shapes.values()))


@pytest.mark.parametrize("shapes", ["transformer"], indirect=True)
def test_the_transformer_has_its_20_billion_parameters(shapes):
    assert counted(shapes) == 20_430_401_088
    assert len(shapes) == 1933
    modulation = {name: shape for name, shape in shapes.items() if "_mod." in name}
    assert counted(modulation) == 60 * 2 * (6 * DIM * DIM + 6 * DIM) == 6_796_984_320
    assert shapes["txt_in.weight"] == (DIM, WIDE)
    assert shapes["transformer_blocks.59.attn.norm_added_k.weight"] == (128,)
    assert shapes["transformer_blocks.0.img_mlp.net.0.proj.weight"] == (4 * DIM, DIM)


@pytest.mark.parametrize("shapes", ["vae"], indirect=True)
def test_the_vae_has_its_127_million_parameters(shapes):
    assert counted(shapes) == 126_892_531
    assert shapes["decoder.conv_in.weight"] == (384, 16, 3, 3, 3)


@pytest.mark.parametrize("shapes", ["text_encoder"], indirect=True)
def test_the_text_encoder_is_qwen_2_5_vl_7b_without_its_head(shapes):
    # 8.29 billion with it.
    assert counted(shapes) == 8_292_166_656 - 152_064 * WIDE
    assert shapes["language_model.layers.27.mlp.down_proj.weight"] == (WIDE, 18_944)
    assert shapes["visual.merger.mlp.2.weight"] == (WIDE, 4 * 1280)
