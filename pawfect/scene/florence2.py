"""Florence-2: what the surroundings of a hole look like, in words.

Xiao et al., "Florence-2: Advancing a Unified Representation for a Variety of Vision Tasks"
(2023), in transformers' own class; prompts, preprocessing and decoding as its processor and its
model card have them, without torchvision.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer
from transformers.generation.configuration_utils import GenerationConfig
from transformers.generation.stopping_criteria import StoppingCriteria, StoppingCriteriaList
from transformers.models.florence2.configuration_florence2 import Florence2Config
from transformers.models.florence2.modeling_florence2 import Florence2ForConditionalGeneration

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.scene.florence2_view import neutralised
from pawfect.weights.checkpoint import load_strict, read_tensors, torch_dtype
from pawfect.weights.reading import read_json, unusable

# The published tasks that take no further input and answer in plain words, and what the model is
# asked for each (transformers' Florence2Processor).
TASKS: Final = MappingProxyType(
    {
        "<CAPTION>": "What does the image describe?",
        "<DETAILED_CAPTION>": "Describe in detail what is shown in the image.",
        "<MORE_DETAILED_CAPTION>": "Describe with a paragraph what is shown in the image.",
        "<OCR>": "What is the text in the image?",
    }
)
# Beams of the model card's example; with sampling off the answer is always the same.
BEAMS: Final = 3
IMAGE_TOKEN: Final = "<image>"
# What transformers raises for a configuration that it cannot use.
REFUSALS: Final = (ArithmeticError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class _Pixels:
    """How a picture becomes the model's input.

    Attributes:
        height: px.
        width: px.
        resample: one of Pillow's filters by number, 3 = bicubic.
        scale: what a value of 0-255 is multiplied with, first.
        mean: of R, G, B; taken away, second.
        std: of R, G, B; divided by, last.
        tokens: embeddings that the model makes of it.
    """

    height: int
    width: int
    resample: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tokens: int

    def prepared(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """Return FLOAT [1, 3, height, width] of UINT8 [h, w, 3] RGB."""
        resized = Image.fromarray(image).resize(
            (self.width, self.height), Image.Resampling(self.resample)
        )
        values = np.asarray(resized, np.float32) * np.float32(self.scale)
        values = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)[None]))


class _Deadline(StoppingCriteria):
    """Ends a generation, between two tokens, once its time is over."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.end = time.monotonic() + limit_s

    def check(self) -> None:
        """Raise DEADLINE if the time is over."""
        if time.monotonic() >= self.end:
            message = f"caption: expected within {self.limit_s:.3g} s, got none by then"
            raise PawfectError(ErrorKind.DEADLINE, message)

    def __call__(
        self, input_ids: torch.Tensor, scores: torch.Tensor | None, **_: Any
    ) -> torch.Tensor:
        self.check()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


class Captioner:
    """A loaded Florence-2.

    Attributes:
        max_tokens: longest caption, tokens.
    """

    def __init__(
        self,
        model: Florence2ForConditionalGeneration,
        tokenizer: Tokenizer,
        pixels: _Pixels,
        generation: GenerationConfig,
        max_tokens: int,
    ) -> None:
        self.max_tokens = max_tokens
        self._model: Any = model
        self._tokenizer = tokenizer
        self._pixels = pixels
        self._generation = generation
        self._prompts = {
            task: tokenizer.encode(
                f"{IMAGE_TOKEN * pixels.tokens}<s>{prompt}</s>", add_special_tokens=False
            ).ids
            for task, prompt in TASKS.items()
        }

    @classmethod
    def load(cls, folder: Path, *, device: str, dtype: str, max_tokens: int) -> Captioner:
        """Load a checkpoint in transformers' own layout (florence-community/Florence-2-base).

        Args:
            folder: config.json, generation_config.json, model.safetensors, preprocessor_config.json
                and tokenizer.json.
            device: "cpu" or "cuda".
            dtype: "float32", "float16" or "bfloat16".
            max_tokens: longest caption, tokens, at least 1.

        Raises:
            PawfectError: UNAVAILABLE for files that are missing, damaged or do not fit together.
        """
        config, model = build_module(folder)
        generation = _read_generation(folder, max_tokens)
        pixels = _read_pixels(folder)
        tokens = _image_tokens(config, pixels)
        if tokens != pixels.tokens:
            problem = (
                f"preprocessor_config.json: expected {tokens} image tokens for "
                f"{pixels.width}x{pixels.height} px, got {pixels.tokens}"
            )
            raise unusable(folder, problem)
        tokenizer = _read_tokenizer(folder)
        token = tokenizer.token_to_id(IMAGE_TOKEN)
        if token != config.image_token_id:
            problem = f"expected {IMAGE_TOKEN} as token {config.image_token_id}, got {token}"
            raise unusable(folder, f"tokenizer.json: {problem}")
        load_strict(
            model,
            read_tensors(folder, "model"),
            folder.name,
            device=device,
            dtype=torch_dtype(dtype),
        )
        return cls(model, tokenizer, pixels, generation, max_tokens)

    def caption(
        self,
        image: NDArray[np.uint8],
        ring: NDArray[np.uint8],
        task: str,
        *,
        time_limit_s: float | None = None,
    ) -> str:
        """Describe the surroundings; the pet and what is to vanish are never seen.

        Args:
            image: UINT8 [H, W, 3] RGB.
            ring: UINT8 [H, W]; values >= 128 are the surroundings.
            task: one of TASKS.
            time_limit_s: seconds until an answer; None: as long as it takes. It is looked at before
                the model starts and after each token, not while the picture is encoded.

        Returns:
            Plain words without special tokens; may be empty.

        Raises:
            PawfectError: INVALID_ARG for an unknown task, sizes that differ or an empty ring;
                DEADLINE where the time is over before the caption is whole.
        """
        if task not in TASKS:
            raise invalid("TASK", f"one of {', '.join(TASKS)}", repr(task[:64]))
        stopping = StoppingCriteriaList()
        if time_limit_s is not None:
            deadline = _Deadline(-math.inf if math.isnan(time_limit_s) else time_limit_s)
            stopping.append(deadline)
        pixels = self._pixels.prepared(neutralised(image, ring))
        if time_limit_s is not None:
            deadline.check()
        prompt = torch.tensor([self._prompts[task]], device=self._model.device)
        with torch.inference_mode():
            answer = self._model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                pixel_values=pixels.to(self._model.device, self._model.dtype),
                generation_config=self._generation,
                stopping_criteria=stopping,
            )
        return self._tokenizer.decode(answer[0].tolist(), skip_special_tokens=True).strip()


def build_module(folder: Path) -> tuple[Florence2Config, Florence2ForConditionalGeneration]:
    """Return the configuration of a folder's config.json and its model, without weights.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    content = read_json(folder, "config.json")
    try:
        config = Florence2Config.from_dict(content)
        with torch.device("meta"):
            return config, Florence2ForConditionalGeneration(config)
    except (*REFUSALS, AttributeError, StrictDataclassError) as error:
        raise _refused(folder, "config.json", error) from None


def _read_generation(folder: Path, max_tokens: int) -> GenerationConfig:
    content = read_json(folder, "generation_config.json")
    settings = {
        "num_beams": BEAMS,
        "do_sample": False,
        "max_new_tokens": max_tokens,
        "max_length": None,
    }
    try:
        return GenerationConfig.from_dict({**content, **settings})
    except REFUSALS as error:
        raise _refused(folder, "generation_config.json", error) from None


def _read_pixels(folder: Path) -> _Pixels:
    content = read_json(folder, "preprocessor_config.json")
    try:
        return _Pixels(
            int(content["size"]["height"]),
            int(content["size"]["width"]),
            int(content.get("resample", Image.Resampling.BICUBIC)),
            float(content.get("rescale_factor", 1 / 255)),
            tuple(map(float, content["image_mean"])),
            tuple(map(float, content["image_std"])),
            int(content["image_seq_length"]),
        )
    except REFUSALS as error:
        raise _refused(folder, "preprocessor_config.json", error) from None


def _read_tokenizer(folder: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
        problem = f"expected tokenizer.json, got {type(error).__name__}"
        raise unusable(folder, problem) from None


def _refused(folder: Path, name: str, error: Exception) -> PawfectError:
    problem = f"expected Florence-2's, got one refused ({type(error).__name__})"
    return unusable(folder, f"{name}: {problem}")


def _image_tokens(config: Florence2Config, pixels: _Pixels) -> int:
    """Return how many embeddings the vision tower makes: one per cell and one for the mean."""
    height, width = pixels.height, pixels.width
    vision: Any = config.vision_config
    stages = zip(vision.patch_size, vision.patch_stride, vision.patch_padding, strict=True)
    for size, stride, padding in stages:
        height, width = ((side + 2 * padding - size) // stride + 1 for side in (height, width))
    return height * width + 1
