"""The tiny checkpoints: the published ones' paths, the same bytes each time, read by diffusers and
transformers themselves, and with tokenizers that read any prompt.
"""

from __future__ import annotations

import json
import os
import string
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline
from safetensors.torch import load_file
from transformers import CLIPTokenizer, T5Tokenizer
from transformers.models.bart.tokenization_bart import BartTokenizer
from transformers.models.florence2.modeling_florence2 import Florence2ForConditionalGeneration
from transformers.models.sam3_video.configuration_sam3_video import Sam3VideoConfig
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoModel

from pawfect.scene.lexicon import labelled_surfaces
from pawfect.weights.manifest import manifest
from pawfect_export.build import BUILDERS
from pawfect_export.tiny.florence2_tokenizer import FIRST, TAGS

# Each tiny entry and the fetched ones in whose place it stands.
STANDS_FOR = {
    "tiny-flux-fill": ("flux-fill-dev", "flux-fill-dev-transformer-bf16"),
    "tiny-sam3": ("sam3",),
    "tiny-florence2": ("florence2-base",),
    "tiny-lama": ("lama-512-int8",),
    "tiny-inswapper": ("inswapper_128",),
}


@pytest.fixture
def flux(tiny_weights) -> Path:
    return tiny_weights / "tiny-flux-fill"


@pytest.fixture
def sam3(tiny_weights) -> Path:
    return tiny_weights / "tiny-sam3"


@pytest.fixture
def florence2(tiny_weights) -> Path:
    return tiny_weights / "tiny-florence2"


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", STANDS_FOR)
def test_a_tiny_entry_is_laid_out_as_published_and_its_seed_decides_its_weights(name, tmp_path):
    build = BUILDERS[name].load()
    before = torch.get_rng_state()
    build(tmp_path / "new" / "first")
    build(tmp_path / "again")
    build(tmp_path / "other", seed=1)
    assert torch.equal(before, torch.get_rng_state())
    first, other = contents(tmp_path / "new" / "first"), contents(tmp_path / "other")
    fetched = [file.path for entry in STANDS_FOR[name] for file in manifest()[entry].files]
    assert sorted(first) == sorted(fetched)
    assert sum(map(len, first.values())) < 30e6
    assert contents(tmp_path / "again") == first
    changed = {path for path in first if first[path] != other[path]}
    assert changed == {path for path in first if path.endswith((".safetensors", ".onnx"))}


def test_the_tiny_gguf_lies_as_a_published_one(flux, tmp_path: Path):
    builder = BUILDERS["tiny-flux-fill-q8_0"]
    builder.load()(tmp_path, flux, **builder.options)
    assert set(contents(tmp_path)) == {file.path for file in manifest()["flux-fill-dev-q8_0"].files}


def test_diffusers_loads_the_tiny_flux_whole(flux):
    pipeline = FluxFillPipeline.from_pretrained(
        flux, dtype=torch.float32, local_files_only=True, use_safetensors=True
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
    written = load_file(flux / "text_encoder" / "model.safetensors")
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
def test_fluxs_tokenizers_read_any_english_prompt(flux, prompt):
    clip = CLIPTokenizer.from_pretrained(flux / "tokenizer", local_files_only=True)
    t5 = T5Tokenizer.from_pretrained(flux / "tokenizer_2", local_files_only=True)
    clip_ids, t5_ids = clip(prompt).input_ids, t5(prompt).input_ids
    assert (clip_ids[0], clip_ids[-1]) == (clip.bos_token_id, clip.eos_token_id)
    assert clip.eos_token_id == max(clip.get_vocab().values())
    assert clip.eos_token_id not in clip_ids[1:-1]
    assert t5_ids[-1] == t5.eos_token_id == 1
    assert t5.unk_token_id == 2
    assert 2 not in t5_ids
    decoded = t5.decode(t5_ids, skip_special_tokens=True)
    assert "".join(decoded.split()) == "".join(prompt.split())


def test_words_of_the_product_take_few_tokens(flux):
    clip = CLIPTokenizer.from_pretrained(flux / "tokenizer", local_files_only=True)
    assert clip.tokenize("grass with fallen leaves") == [
        "grass</w>",
        "with</w>",
        "fallen</w>",
        "leaves</w>",
    ]


def test_florence2s_weights_are_those_that_transformers_would_save(florence2, tmp_path):
    model, report = Florence2ForConditionalGeneration.from_pretrained(
        florence2, local_files_only=True, output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    model.save_pretrained(tmp_path)
    weights, saved = (
        load_file(florence2 / "model.safetensors"),
        load_file(tmp_path / "model.safetensors"),
    )
    assert {name: (t.shape, t.dtype) for name, t in weights.items()} == {
        name: (t.shape, t.dtype) for name, t in saved.items()
    }
    assert 600_000 < sum(tensor.numel() for tensor in weights.values()) < 800_000


def test_florence2s_tokens_have_the_published_order(florence2):
    ids = json.loads((florence2 / "tokenizer.json").read_text("utf-8"))["added_tokens"]
    names = [token["content"] for token in sorted(ids, key=lambda token: token["id"])]
    assert names == [*FIRST, "<mask>", *TAGS, "<image>"]
    assert len(TAGS) == 1024
    assert [token["id"] for token in ids if token["content"] in FIRST] == [0, 1, 2, 3]
    config = json.loads((florence2 / "config.json").read_text("utf-8"))
    vocabulary = config["text_config"]["vocab_size"]
    assert vocabulary % 64 == 0
    assert config["image_token_id"] == max(token["id"] for token in ids) < vocabulary


@pytest.mark.parametrize(
    "text", ["What does the image describe?", "gr\u00fcn \u8349 \U0001f415\n\x00"]
)
def test_florence2s_tokenizer_writes_any_text_and_reads_it_back(florence2, text):
    tokenizer = BartTokenizer.from_pretrained(florence2, local_files_only=True)
    ids = tokenizer(text)["input_ids"]
    assert (ids[0], ids[-1]) == (0, 2)
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_known_words_are_single_tokens_of_florence2(florence2):
    tokenizer = BartTokenizer.from_pretrained(florence2, local_files_only=True)
    words = ["\u0120describe", "\u0120grass", "\u0120asphalt", "\u0120image"]
    assert tokenizer.tokenize(" describe grass asphalt image") == words


def tokenizer(sam3: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(sam3, local_files_only=True)


def test_sam3s_weights_are_the_video_models_to_the_last_tensor(sam3):
    config = Sam3VideoConfig.from_dict(json.loads((sam3 / "config.json").read_text()))
    assert config.architectures == ["Sam3VideoModel"]
    with torch.device("meta"):
        model = Sam3VideoModel(config)
    tensors = load_file(sam3 / "model.safetensors")
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        name: tensor.shape for name, tensor in model.state_dict().items()
    }
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert 0.5e6 < sum(tensor.numel() for tensor in tensors.values()) < 2e6


def test_sam3s_full_size_model_has_the_same_modules(sam3):
    with torch.device("meta"):
        full = Sam3VideoModel(Sam3VideoConfig()).state_dict()
    assert set(load_file(sam3 / "model.safetensors")) <= set(full)


def test_sam3s_config_and_processor_agree_with_each_other(sam3):
    config = json.loads((sam3 / "config.json").read_text())
    processor = json.loads((sam3 / "processor_config.json").read_text())
    detector = config["detector_config"]
    side = detector["vision_config"]["backbone_config"]["image_size"]
    finest, _ = detector["vision_config"]["backbone_feature_sizes"][0]
    assert processor["image_processor"]["size"] == {"height": side, "width": side}
    assert processor["image_processor"]["mask_size"] == {"height": finest, "width": finest}
    assert processor["target_size"] == side
    assert detector["text_config"]["vocab_size"] == len(tokenizer(sam3))
    assert detector["text_config"]["eos_token_id"] == tokenizer(sam3).eos_token_id


def test_sam3s_tokenizer_is_clips_byte_pair_encoding(sam3):
    clip = tokenizer(sam3)
    start, end = clip.bos_token_id, clip.eos_token_id
    assert (start, end) == (len(clip) - 2, len(clip) - 1)
    assert clip("Grass").input_ids == clip("  grass ").input_ids
    assert clip.convert_ids_to_tokens(clip("grass").input_ids) == [
        "<|startoftext|>",
        "grass</w>",
        "<|endoftext|>",
    ]
    # A word that was never seen falls apart into its bytes, none of them unknown.
    parts = clip.convert_ids_to_tokens(clip("qxñ").input_ids[1:-1])
    assert len(parts) == 4
    assert end not in clip("qxñ").input_ids[1:-1]
    padded = clip("grass", padding="max_length")
    assert padded.input_ids == [start, padded.input_ids[1], *[end] * 30]
    assert padded.attention_mask == [1, 1, 1, *[0] * 29]


def test_sam3s_tokenizers_files_say_the_same(sam3):
    by_parts = CLIPTokenizer(
        vocab=os.fspath(sam3 / "vocab.json"), merges=os.fspath(sam3 / "merges.txt")
    )
    for surface in labelled_surfaces():
        for phrase in surface.phrases:
            ids = tokenizer(sam3)(phrase).input_ids
            assert by_parts(phrase).input_ids == ids
            assert len(ids) <= 32
            assert by_parts.decode(ids, skip_special_tokens=True) == phrase
