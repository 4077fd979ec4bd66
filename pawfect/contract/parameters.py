"""Request parameters: scalars beside the tensors, parsed once, strictly, into dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from pawfect.contract.errors import invalid

Scalar = bool | int | float | str

ENGINES = ("auto", "flux", "patch")
# Longest deadline: ten minutes, beyond any job of this service.
MAX_DEADLINE_MS = 600_000
MAX_STEPS = 100


class Parameters:
    """Strict parsing of a mapping into the dataclass that inherits this."""

    @classmethod
    def parse(cls, given: Mapping[str, Scalar]) -> Self:
        """Return the parameters of one request.

        Args:
            given: names and values as they came; absent ones take their defaults.

        Raises:
            PawfectError: INVALID_ARG for an unknown name, a value of another type (no conversion:
                the string "5" is no integer, True is no number), NaN, or a value out of bounds.
        """
        known = {spec.name: spec for spec in fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(given) - set(known))
        if unknown:
            expected = f"some of {', '.join(sorted(known))}" if known else "none"
            raise invalid("parameters", expected, ", ".join(unknown))
        return cls(**{name: _checked(name, known[name].metadata, given[name]) for name in given})


def _checked(name: str, meta: Mapping[str, Any], value: Any) -> Scalar:
    if "choices" in meta:
        if not isinstance(value, str) or value not in meta["choices"]:
            raise invalid(name, f"one of {', '.join(meta['choices'])}", repr(value))
        return value
    kind = meta["type"]
    if kind is bool:
        if not isinstance(value, bool):
            raise invalid(name, "true or false", f"{type(value).__name__} {value!r}")
        return value
    allowed = (int, float) if kind is float else (int,)
    if isinstance(value, bool) or not isinstance(value, allowed):
        expected = "an integer" if kind is int else "a number"
        raise invalid(name, expected, f"{type(value).__name__} {value!r}")
    low, high = meta["low"], meta["high"]
    # NaN compares false with everything, so it is outside.
    if not low <= value <= high or (meta["above"] and value == low):
        edge = "above" if meta["above"] else "from"
        raise invalid(name, f"{edge} {low} to {high}", value)
    return float(value) if kind is float else int(value)


def _bounded(
    kind: type, default: float | None, low: float, high: float, *, above: bool = False
) -> Any:
    """Describe a number of `low` to `high`, `low` itself left out where `above`."""
    bounds = {"type": kind, "low": low, "high": high, "above": above}
    return field(default=default, metadata=bounds)


def _int(default: int | None, low: int, high: int) -> Any:
    return _bounded(int, default, low, high)


@dataclass(frozen=True)
class NoParams(Parameters):
    """Of a model that takes no parameters."""


@dataclass(frozen=True)
class MaskParams(Parameters):
    """Parameters of `mask_cleanup`.

    Attributes:
        dilate_px: how far the mask grows, in px, 0 to 64; None: 8-16 by the image's size.
    """

    dilate_px: int | None = _int(None, 0, 64)


@dataclass(frozen=True)
class FillParams(Parameters):
    """Parameters of `patch_fill`.

    Attributes:
        seed: 0 to 2**63 - 1; the same seed gives the same pixels.
        working_px: longest side in px at which the window is filled, 64 to 8192; None: its own.
    """

    seed: int = _int(0, 0, 2**63 - 1)
    working_px: int | None = _int(None, 64, 8192)


@dataclass(frozen=True)
class InpaintParams(Parameters):
    """Parameters of `inpaint` and `inpaint_stream`; None leaves the choice to the server.

    Attributes:
        engine: auto (FLUX where the profile has it, else patch), flux or patch.
        steps: denoising steps, 1 to 100 (FLUX).
        guidance_scale: 0 to 100 (FLUX).
        seed: 0 to 2**63 - 1; the same input, seed and profile give the same pixels.
        deadline_ms: 1 to 600,000 ms from the request's arrival to its answer.
        strength: above 0 to 1; under 1 denoising starts from the patch result (FLUX).
        dilate_px: how far the mask grows, in px, 0 to 64.
        window_px: longest side of a window in px, 256 to 2048.
        preview_every: a preview every so many steps, 0 (none) to 100.
        feather_px: width of the blend around a hole that FLUX filled, in px, 0 to 64.
        match_colour: whether colour and grain of a FLUX fill are fitted to the photo's.
    """

    engine: str = field(default="auto", metadata={"choices": ENGINES})
    steps: int | None = _int(None, 1, MAX_STEPS)
    guidance_scale: float | None = _bounded(float, None, 0.0, 100.0)
    seed: int = _int(0, 0, 2**63 - 1)
    deadline_ms: int = _int(30_000, 1, MAX_DEADLINE_MS)
    strength: float = _bounded(float, 1.0, 0.0, 1.0, above=True)
    dilate_px: int | None = _int(None, 0, 64)
    window_px: int | None = _int(None, 256, 2048)
    preview_every: int = _int(1, 0, 100)
    feather_px: int | None = _int(None, 0, 64)
    match_colour: bool = field(default=True, metadata={"type": bool})
