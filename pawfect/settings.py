"""The tables of a profile: how each of its parts runs, with bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pawfect.contract.cutout import PRESETS
from pawfect.contract.faces import LOOKED_SIZES
from pawfect.contract.parameters import ENGINES
from pawfect.contract.reading import SIZES as READING_SIZES
from pawfect.contract.tables import SOME, at_least, between, multiple_of, one_of, rising
from pawfect.picture.canvas import TOKEN_PX

Device = Annotated[str, one_of("cpu", "cuda")]
Dtype = Annotated[str, one_of("float32", "float16", "bfloat16")]
Count = Annotated[int, at_least(1)]
Amount = Annotated[float, at_least(0)]
# Modulation: by its layers in each step, or once per prompt and schedule on the CPU.
Modulation = Annotated[str, one_of("layers", "cached")]
Attention = Annotated[str, one_of("auto", "efficient", "math", "xformers")]
Engine = Annotated[str, one_of(*(engine for engine in ENGINES if engine != "auto"))]


@dataclass(frozen=True)
class Limits:
    """Bounds of one server.

    Attributes:
        max_in_flight: requests that one orchestrator instance holds at a time, at least 1.
        ready_s: how long the models may take to load before a start counts as failed, s.
        card_gib: what the profile takes of a card by the memory table (perf/diffusion/memory.py),
            GiB; a start on a smaller one is refused. 0: it uses none.
    """

    max_in_flight: Count
    ready_s: Count
    card_gib: Amount = 0.0


@dataclass(frozen=True, kw_only=True)
class ChainSettings:
    """How a denoising model runs: what all of them have.

    Attributes:
        device: cpu or cuda.
        dtype: of its arithmetic: float32, float16 or bfloat16.
        text_device: of the text encoders: they do not fit beside the transformer on every card.
        text_dtype: of their arithmetic.
        text_threads: threads of theirs on a CPU, and of the modulation that is kept there.
        text_tokens: length of the text embeddings; longer prompts are cut.
        text_width: of a text embedding, for the warm-up.
        sizes: sides, px, of the square working sizes, rising, multiples of 16; others have about
            the area of one of these.
        steps: denoising steps where the request asks for none.
        guidance_scale: likewise; a model that is not guided ignores it.
        strength: likewise, above 0 to 1: under 1 denoising starts from the photo as its floor fills
            it, with noise to that part of the schedule.
        tile_px: side above which the VAE works in tiles, px; 0: never.
        modulation: `layers` or `cached`.
        compile: whether the transformer's repeated blocks are compiled.
        compile_reason: why, or why not and what is in force instead.
        attention: `auto`, `efficient`, `math` or `xformers`, see `pawfect.diffusion.attention`.
        attention_reason: why this one.
        gpus: cards, or processes of a CPU, that denoise: each has the whole transformer, and steps
            go to whichever is free.
    """

    device: Device
    dtype: Dtype
    text_device: Device
    text_dtype: Dtype
    text_threads: Count
    text_tokens: Count
    text_width: Count
    sizes: Annotated[tuple[int, ...], rising(TOKEN_PX)]
    steps: Count
    guidance_scale: Amount
    strength: Annotated[float, between(0.0, 1.0, above=True)] = 1.0
    tile_px: Annotated[int, at_least(0)]
    modulation: Modulation
    compile: bool
    compile_reason: str
    attention: Attention
    attention_reason: str
    gpus: Count = 1

    @property
    def refers(self) -> bool:
        """Whether a removal's steps are shown the photo as its floor fills it."""
        return False

    @property
    def unwanted(self) -> str:
        """What is not wanted, for a model that takes that; empty: nothing is said."""
        return ""

    @property
    def distilled(self) -> bool:
        """Whether it was trained for just the few steps that it takes where none are asked for."""
        return False


@dataclass(frozen=True, kw_only=True)
class FluxSettings(ChainSettings):
    """How FLUX.1-Fill runs.

    Attributes:
        pooled_width: of the pooled embedding, for the warm-up (768 for the full-size model).
    """

    pooled_width: Count


@dataclass(frozen=True, kw_only=True)
class KleinSettings(ChainSettings):
    """How FLUX.2 [klein] runs.

    Attributes:
        references: whether a removal's step is shown the photo as its floor fills it; without, a
            step costs less than half.
    """

    references: bool

    @property
    def refers(self) -> bool:
        """Whether a removal's steps are shown the photo as its floor fills it."""
        return self.references

    @property
    def distilled(self) -> bool:
        """Whether it was trained for a few steps: always."""
        return True


@dataclass(frozen=True, kw_only=True)
class EditSettings(ChainSettings):
    """How Qwen-Image-Edit runs.

    Attributes:
        negative_prompt: what is not wanted, where guidance is above 1.
        shift: of the schedule: `published`, or `lightning`, which its 4- and 8-step LoRAs were
            trained with.
    """

    negative_prompt: str
    shift: Annotated[str, one_of("published", "lightning")] = "published"

    @property
    def refers(self) -> bool:
        """Whether a removal's steps are shown the photo as its floor fills it: always."""
        return True

    @property
    def unwanted(self) -> str:
        """What is not wanted."""
        return self.negative_prompt

    @property
    def distilled(self) -> bool:
        """Whether a LoRA that was trained for a few steps is in its weights."""
        return self.shift == "lightning"


@dataclass(frozen=True)
class LabelSettings:
    """How SAM3 names surfaces and finds what words mean.

    Attributes:
        device: cpu or cuda.
        dtype: of its arithmetic.
        text_device: of its text encoder, 0.7 GB in 16 bits: cpu, in float32, or as device.
        text_threads: threads of its process on a CPU.
        least_score: labels that score less are dropped, 0 to 1.
        timeout_ms: an answer that takes longer is not waited for.
    """

    device: Device
    dtype: Dtype
    text_device: Device
    text_threads: Count
    least_score: Amount
    timeout_ms: Count


@dataclass(frozen=True)
class CaptionSettings:
    """How Florence-2 captions.

    Attributes:
        device: cpu or cuda.
        dtype: of its arithmetic.
        max_tokens: longest caption, tokens.
        timeout_ms: an answer that takes longer is not waited for.
    """

    device: Device
    dtype: Dtype
    max_tokens: Count
    timeout_ms: Count


@dataclass(frozen=True)
class LamaSettings:
    """How the inpainting network that leads `lama_fill` runs.

    Attributes:
        device: cpu; on a card it would need a process of its own.
        threads: that one call works with.
        size: longest side, px, at which it draws; a file of a fixed size draws at that.
        timeout_ms: an answer that takes longer is not waited for where patches can take its place.
    """

    device: Annotated[str, one_of("cpu")]
    threads: Count
    size: Annotated[int, multiple_of(32)]
    timeout_ms: Count


@dataclass(frozen=True)
class OnnxSettings:
    """How the one process of the ONNX networks runs.

    Attributes:
        device: cpu or cuda.
        device_reason: why there.
        tensorrt: whether TensorRT takes what it can of them on a card.
        threads: that one call works with on the CPU.
        keep: networks that stay loaded at a time.
        kept: networks that stay loaded besides, once they are.
    """

    device: Device
    device_reason: str
    tensorrt: bool
    threads: Count
    keep: Count
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadingSettings:
    """How text is found and read.

    Attributes:
        device: cpu; on a card it would need a process of its own.
        threads: that one call works with.
        size: longest side, px, at which a photo is looked at where the request names none.
    """

    device: Annotated[str, one_of("cpu")]
    threads: Count
    size: Annotated[int, between(*READING_SIZES)]


@dataclass(frozen=True)
class FacesSettings:
    """How faces are found.

    Attributes:
        device: cpu; on a card it would need a process of its own.
        threads: that one call works with.
        networks: entries of the weights' manifest, of `pawfect.identity.networks`; the first that
            is here is taken.
        size: longest side, px, at which a photo is looked at where the request names none.
        timeout_ms: an answer that takes longer is not waited for where it can be done without.
    """

    device: Annotated[str, one_of("cpu")]
    threads: Count
    networks: Annotated[tuple[str, ...], SOME]
    size: Annotated[int, between(*LOOKED_SIZES), multiple_of(32)]
    timeout_ms: Count


@dataclass(frozen=True)
class SwapSettings:
    """How faces are swapped.

    Attributes:
        device: cpu, or cuda in a process of its own.
        threads: that one call works with on the CPU.
    """

    device: Device
    threads: Count


@dataclass(frozen=True)
class CutoutSettings:
    """How background removal runs.

    Attributes:
        networks: of `pawfect/matting/networks.toml`; the first whose weights are here is taken
            where a request names none.
        preset: where a request names none.
        features: modes that are on, of `pawfect.matting.presets.FEATURES`.
    """

    networks: Annotated[tuple[str, ...], SOME]
    preset: Annotated[str, one_of(*PRESETS)]
    features: tuple[str, ...]


@dataclass(frozen=True)
class ProtectSettings:
    """How `inpaint` finds what it protects.

    Attributes:
        networks: as in `CutoutSettings`, of those that are quick enough.
        size: px at which the network looks.
        least_confidence: 0 to 1; a subject that the network is less sure of is not protected.
        timeout_ms: an answer that takes longer is not waited for.
    """

    networks: Annotated[tuple[str, ...], SOME]
    size: Count
    least_confidence: Annotated[float, between(0.0, 1.0)]
    timeout_ms: Count


@dataclass(frozen=True)
class CheckSettings:
    """What a denoised fill must pass before it leaves.

    Attributes:
        seam_step: largest colour step across the seam, CIE76, above what the patch fill has
            there.
        strange_coverage: share of the fill, 0 to 1, from which a label that its surroundings do
            not have counts as invented.
    """

    seam_step: Amount
    strange_coverage: Amount
