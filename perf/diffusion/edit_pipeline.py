"""diffusers' pipelines of Qwen-Image-Edit, every component as it is loaded by its library.

Two things are mended in them. transformers' processor does not load without torchvision, which
only its part for videos needs. And beside transformers 5 the pipelines do not tell the text encoder
which tokens are pictures', so that those lose their rows and columns:
https://github.com/huggingface/diffusers/issues/14194.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer, Qwen2VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

Pipeline = TypeVar("Pipeline")


class Processor(Qwen2VLProcessor):
    """transformers' processor without its part for videos."""

    def __init__(self, image_processor: Any, tokenizer: Any) -> None:
        super().__init__(image_processor, tokenizer, None)  # type: ignore[no-untyped-call]

    def check_argument_for_proper_class(self, name: str, value: Any) -> None:
        """Let None stand for the part for videos."""


def load_encoder(folder: Path) -> Any:
    """Load transformers' text encoder, which is then told which tokens are pictures'."""
    load: Any = Qwen2_5_VLForConditionalGeneration.from_pretrained
    encoder = load(folder, dtype=torch.float32, local_files_only=True)
    forward = encoder.forward

    def told(input_ids: torch.Tensor, **given: Any) -> Any:
        pictures = (input_ids == encoder.config.image_token_id).int()
        return forward(input_ids=input_ids, mm_token_type_ids=pictures, **given)

    encoder.forward = told
    return encoder


def load_pipeline(kind: type[Pipeline], folder: Path) -> Pipeline:
    """Load a pipeline in float32.

    Args:
        kind: QwenImageEditPipeline, QwenImageEditPlusPipeline or QwenImageEditInpaintPipeline.
        folder: of the whole model.
    """
    own: dict[str, Any] = {
        "torch_dtype": torch.float32,
        "local_files_only": True,
        # It would need a package more.
        "low_cpu_mem_usage": False,
    }
    scheduler: Any = FlowMatchEulerDiscreteScheduler
    vae: Any = AutoencoderKLQwenImage
    transformer: Any = QwenImageTransformer2DModel
    seen: Any = Qwen2VLImageProcessorPil
    tokenizer: Any = Qwen2Tokenizer.from_pretrained(folder / "tokenizer")
    made: Any = kind
    pipeline: Any = made(
        scheduler=scheduler.from_pretrained(folder / "scheduler"),
        vae=vae.from_pretrained(folder / "vae", **own),
        text_encoder=load_encoder(folder / "text_encoder"),
        tokenizer=tokenizer,
        processor=Processor(seen.from_pretrained(folder / "processor"), tokenizer),
        transformer=transformer.from_pretrained(folder / "transformer", **own),
    )
    pipeline.set_progress_bar_config(disable=True)
    loaded: Pipeline = pipeline
    return loaded
