"""The tiny FLUX-Fill: loadable by diffusers itself, with tokenizers that read any prompt."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline
from safetensors.torch import load_file
from transformers import CLIPTokenizer, T5Tokenizer

from pawfect_export.tiny import flux as tiny


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny.build(folder, seed=3)
    return folder


def test_diffusers_loads_it_whole(built):
    pipeline = FluxFillPipeline.from_pretrained(
        built, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    assert (
        dict(pipeline.scheduler.config).items()
        >= {
            "use_dynamic_shifting": True,
            "base_shift": 0.5,
            "max_shift": 1.15,
            "base_image_seq_len": 256,
            "max_image_seq_len": 4096,
            "shift": 3.0,
        }.items()
    )
    assert pipeline.transformer.config.guidance_embeds
    assert pipeline.vae_scale_factor == 8
    assert (pipeline.tokenizer.model_max_length, pipeline.tokenizer_2.model_max_length) == (77, 512)
    # Loaded, not freshly initialised: what transformers read are the numbers that were written.
    encoder = pipeline.text_encoder.state_dict()
    written = load_file(built / "text_encoder" / "model.safetensors")
    assert len(encoder) == len(written)
    for name, weight in encoder.items():
        assert torch.equal(
            weight, written[f"text_model.{name.removeprefix('text_model.')}"].float()
        )


@pytest.mark.parametrize(
    "prompt",
    [
        "green grass with fallen leaves",
        "Zebra-striped quilt, 100% (new)!",
        string.printable.strip(),
    ],
)
def test_the_tokenizers_read_any_english_prompt(built, prompt):
    clip = CLIPTokenizer.from_pretrained(built / "tokenizer", local_files_only=True)
    t5 = T5Tokenizer.from_pretrained(built / "tokenizer_2", local_files_only=True)
    clip_ids, t5_ids = clip(prompt).input_ids, t5(prompt).input_ids
    assert (clip_ids[0], clip_ids[-1]) == (clip.bos_token_id, clip.eos_token_id)
    assert clip.eos_token_id == max(clip.get_vocab().values())
    assert clip.eos_token_id not in clip_ids[1:-1]
    assert t5_ids[-1] == t5.eos_token_id == 1
    assert t5.unk_token_id == 2
    assert 2 not in t5_ids
    decoded = t5.decode(t5_ids, skip_special_tokens=True)
    assert "".join(decoded.split()) == "".join(prompt.split())


def test_words_of_the_product_take_few_tokens(built):
    clip = CLIPTokenizer.from_pretrained(built / "tokenizer", local_files_only=True)
    assert clip.tokenize("grass with fallen leaves") == [
        "grass</w>",
        "with</w>",
        "fallen</w>",
        "leaves</w>",
    ]
