"""Request parameters: scalars beside the tensors, parsed once, strictly, into dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self, cast

from pawfect.contract.errors import invalid
from pawfect.contract.tables import (
    TableError,
    between,
    field_types,
    one_of,
    plain_type,
    read_table,
)
from pawfect.contract.tensors import MAX_SIDE, MIN_SIDE

Scalar = bool | int | float | str

# Engines that denoise: FLUX.1-Fill, FLUX.2 [klein], Qwen-Image-Edit.
DENOISING = ("flux", "klein", "edit")
ENGINES = ("auto", *DENOISING, "lama", "patch")
# Longest deadline: ten minutes, beyond any job of this service.
MAX_DEADLINE_MS = 600_000
# What marks the hole in a mask's file; see `pawfect.photo.mask_file`.
MASK_IS = ("white", "black", "opaque", "transparent", "erased", "auto")
# How the result's file is written; see `pawfect.photo.formats`.
FILE_FORMATS = ("jpeg", "png", "webp", "tiff", "avif", "bmp")
# What is protected where a request has no PROTECT: what a network finds, or nothing.
PROTECTS = ("auto", "none")
# How files stand in BYTES: as they are, or as texts, since JSON cannot hold bytes.
ENCODINGS = ("raw", "base64")
MAX_STEPS = 100
# Of a parameter without a default of its own: the server's choice, as if it were not given.
AUTO = "auto"
# Largest speck, px2: a square of 256 px, which no dirt of a mask reaches.
MAX_SPECK_PX = 65_536


class Parameters:
    """Strict parsing of request parameters into the dataclass that inherits this."""

    @classmethod
    def parse(cls, given: Mapping[str, Scalar]) -> Self:
        """Return the parameters of one request.

        Args:
            given: names and values as they came; absent ones take their defaults, and so does
                "auto" where the default is None.

        Raises:
            PawfectError: INVALID_ARG for an unknown name, a value of another type (no conversion:
                the string "5" is no integer, True is no number), NaN, or a value out of bounds.
        """
        chosen_here = {name for name in cls.choices_of_the_server() if given.get(name) == AUTO}
        try:
            return read_table(cls, {k: v for k, v in given.items() if k not in chosen_here})
        except TableError as error:
            raise invalid(error.where or "parameters", error.expected, error.got) from None

    @classmethod
    def choices_of_the_server(cls) -> frozenset[str]:
        """Return the names of the numbers that are the server's choice where not given."""
        kind: type = cls
        given = cast("Any", cls).__dataclass_fields__
        numbers = (name for name, hint in field_types(kind).items() if plain_type(hint) is not str)
        return frozenset(name for name in numbers if given[name].default is None)


@dataclass(frozen=True)
class NoParams(Parameters):
    """Of a model that takes no parameters."""


@dataclass(frozen=True)
class MaskParams(Parameters):
    """Parameters of `mask_cleanup`.

    Attributes:
        dilate_px: how far the mask grows, in px, 0 to 64; None: 8-16 by the image's size, thin
            strokes by a third of their width, at least 2.
        least_speck_px: components of the mask of fewer pixels are dropped, 0 (none) to 65,536;
            None: those under 9 beside something 50 times larger.
        fill_outlines: whether what strokes enclose is filled too.
    """

    dilate_px: Annotated[int, between(0, 64)] | None = None
    least_speck_px: Annotated[int, between(0, MAX_SPECK_PX)] | None = None
    fill_outlines: bool = False


@dataclass(frozen=True)
class MaskFileParams(Parameters):
    """How a mask's file is read; a mask's tensor is always >= 128 = fill.

    Attributes:
        mask_is: what marks the hole. white: what is bright; black: what is dark; opaque: what is
            painted; transparent: what is not; erased: the photo itself with the object erased, to
            transparency or over-painted; auto: whichever of these it looks like. None: white, or of
            one colour with a transparent part the smaller side, and what covers nearly everything
            is refused.
        invert_mask: whether fill and keep change places after that.
        fit_mask: whether a mask of another size, but of the photo's shape, is scaled to it, and so
            what must never be filled.
    """

    mask_is: Annotated[str, one_of(*MASK_IS)] | None = None
    invert_mask: bool = False
    fit_mask: bool = False


@dataclass(frozen=True)
class FillParams(Parameters):
    """Parameters of `patch_fill` and `lama_fill`.

    Attributes:
        seed: 0 to 2**63 - 1; the same seed gives the same pixels.
        working_px: longest side in px at which the window is filled, 64 to 16,384; None: its own.
    """

    seed: Annotated[int, between(0, 2**63 - 1)] = 0
    working_px: Annotated[int, between(MIN_SIDE, MAX_SIDE)] | None = None


@dataclass(frozen=True)
class InpaintParams(Parameters):
    """Parameters of `inpaint` and `inpaint_stream`; None leaves the choice to the server.

    Attributes:
        engine: auto (the first that the profile lists; LaMa where its weights are and it does
            better than patches), flux, klein, edit, lama or patch.
        steps: denoising steps, 1 to 100.
        guidance_scale: 0 to 100 (flux, edit).
        seed: 0 to 2**63 - 1; the same input, seed and profile give the same pixels.
        deadline_ms: 1 to 600,000 ms from the request's arrival to its answer.
        strength: above 0 to 1; under 1 denoising starts from the fill without it;
            None: the profile's.
        dilate_px: how far the mask grows, in px, 0 to 64; None: 8-16 by the image's size, thin
            strokes by a third of their width, at least 2.
        least_speck_px: components of the mask of fewer pixels are dropped, 0 (none) to 65,536;
            None: those under 9 beside something 50 times larger.
        fill_outlines: whether what strokes enclose is filled too.
        window_px: longest side of a window in px, 256 to 2048.
        preview_every: a preview every so many steps, 0 (none) to 100.
        feather_px: width of the blend around a hole that was denoised, in px, 0 to 64.
        match_colour: whether colour and grain of a denoised fill are fitted to the photo's.
        protect: without PROTECT, auto: the subject that a network finds and the mask does not mark
            is neither filled nor copied from; none: nothing is protected.
    """

    engine: Annotated[str, one_of(*ENGINES)] = "auto"
    steps: Annotated[int, between(1, MAX_STEPS)] | None = None
    guidance_scale: Annotated[float, between(0.0, 100.0)] | None = None
    seed: Annotated[int, between(0, 2**63 - 1)] = 0
    deadline_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 30_000
    strength: Annotated[float, between(0.0, 1.0, above=True)] | None = None
    dilate_px: Annotated[int, between(0, 64)] | None = None
    least_speck_px: Annotated[int, between(0, MAX_SPECK_PX)] | None = None
    fill_outlines: bool = False
    window_px: Annotated[int, between(256, 2048)] | None = None
    preview_every: Annotated[int, between(0, 100)] = 1
    feather_px: Annotated[int, between(0, 64)] | None = None
    match_colour: bool = True
    protect: Annotated[str, one_of(*PROTECTS)] = "auto"


@dataclass(frozen=True)
class InpaintFileParams(InpaintParams, MaskFileParams):
    """Parameters of `inpaint_file`: those of `inpaint`, of the mask's file, and of the result's.

    Attributes:
        format: what the result is written as; None: the photo's own format, or where that is only
            read, JPEG for HEIC and PNG for GIF.
        quality: of a JPEG, WebP or AVIF, 1 to 100; None: 95, AVIF 90, and WebP without loss where
            the photo came from a lossless file.
        encoding: raw: files as they are; base64: texts, in and out.
    """

    format: Annotated[str, one_of(*FILE_FORMATS)] | None = None
    quality: Annotated[int, between(1, 100)] | None = None
    encoding: Annotated[str, one_of(*ENCODINGS)] = "raw"
