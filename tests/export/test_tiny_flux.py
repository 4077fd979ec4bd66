"""The tiny FLUX-Fill: repeatable, laid out as published, loadable by diffusers itself."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline
from safetensors.torch import load_file
from transformers import CLIPTokenizer, T5Tokenizer

from pawfect_export.tiny import flux as tiny

# As black-forest-labs/FLUX.1-Fill-dev is laid out, without its single-file copies and documents.
PUBLISHED = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder_2/config.json",
    "text_encoder_2/model-00001-of-00002.safetensors",
    "text_encoder_2/model-00002-of-00002.safetensors",
    "text_encoder_2/model.safetensors.index.json",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "tokenizer_2/special_tokens_map.json",
    "tokenizer_2/spiece.model",
    "tokenizer_2/tokenizer.json",
    "tokenizer_2/tokenizer_config.json",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model-00001-of-00003.safetensors",
    "transformer/diffusion_pytorch_model-00002-of-00003.safetensors",
    "transformer/diffusion_pytorch_model-00003-of-00003.safetensors",
    "transformer/diffusion_pytorch_model.safetensors.index.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny.build(folder, seed=3)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_files_are_those_published_and_small(built):
    files = contents(built)
    assert sorted(files) == sorted(PUBLISHED)
    assert sum(map(len, files.values())) < 30e6


def test_the_same_seed_gives_the_same_bytes_and_another_other_weights(built, tmp_path):
    before = torch.get_rng_state()
    tiny.build(tmp_path / "again", seed=3)
    tiny.build(tmp_path / "other", seed=4)
    assert torch.equal(before, torch.get_rng_state())
    assert contents(tmp_path / "again") == contents(built)
    other = contents(tmp_path / "other")
    changed = {name for name, data in contents(built).items() if other[name] != data}
    assert changed == {name for name in PUBLISHED if name.endswith(".safetensors")}


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
