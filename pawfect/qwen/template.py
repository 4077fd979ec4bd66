"""What stands around an instruction where Qwen2.5-VL reads it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

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
