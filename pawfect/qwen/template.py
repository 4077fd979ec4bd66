"""What stands around an instruction where Qwen2.5-VL reads it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pawfect.weights.reading import unusable

# Of the pipelines' `prompt_template_encode`.
PREFIX: Final = (
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, "
    "texture, objects, background), then explain how the user's text instruction should alter or "
    "modify the image. Generate a new image that meets the user's requirements while maintaining "
    "consistency with the original input where appropriate.<|im_end|>\n<|im_start|>user\n"
)
SUFFIX: Final = "<|im_end|>\n<|im_start|>assistant\n"
# Tokens of PREFIX, which the transformer does not see: `prompt_template_encode_start_idx`.
DROPPED: Final = 64
PICTURE: Final = "<|image_pad|>"
SHOWN: Final = f"<|vision_start|>{PICTURE}<|vision_end|>"


@dataclass(frozen=True)
class Template:
    """How a pipeline shows pictures to the encoder.

    Attributes:
        area: that each is scaled to, px.
        picture: what stands for the picture of a number.
        several: whether there may be more than one.
    """

    area: int
    picture: str
    several: bool


# By `_class_name` of the whole model: Qwen-Image-Edit, and its successors 2509 and 2511.
TEMPLATES: Final = MappingProxyType(
    {
        "QwenImageEditPipeline": Template(1024 * 1024, SHOWN, several=False),
        "QwenImageEditPlusPipeline": Template(384 * 384, "Picture {}: " + SHOWN, several=True),
    }
)


def check_template(tokenizer: Any, picture_token: int, folder: Path) -> None:
    """Raise UNAVAILABLE unless a tokenizer makes of the template what is counted on.

    Args:
        tokenizer: Qwen2's.
        picture_token: by which the encoder knows what a picture's places in a text are.
        folder: of the tokenizer, for messages.
    """
    prefix = len(tokenizer(PREFIX, add_special_tokens=False).input_ids)
    if prefix != DROPPED:
        raise unusable(folder, f"expected {DROPPED} tokens of the template, got {prefix}")
    picture = tokenizer.convert_tokens_to_ids(PICTURE)
    if picture != picture_token:
        problem = f"expected the encoder's token {picture_token} as {PICTURE}, got {picture}"
        raise unusable(folder, problem)
