"""Pictures' files in BYTES tensors, as the models that take and give files have them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.parameters import Scalar
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.photo.image_file import MAX_FILE_BYTES, declared_pixels
from pawfect.photo.photo import Photo
from pawfect.photo.saving import encode_photo, plain_png

_BASE64: Final = "base64"
# Four characters for three bytes.
_MAX_BYTES: Final[Mapping[str, int]] = {"raw": MAX_FILE_BYTES, _BASE64: MAX_FILE_BYTES * 4 // 3 + 4}
# What writing takes on one core, ms per megapixel, measured with the reference scene at 3 MP; kept
# of the deadline, but no more than half of it.
_WRITING_MS: Final[Mapping[str, float]] = {
    "JPEG": 30,
    "PNG": 700,
    "WEBP": 250,
    "TIFF": 360,
    "AVIF": 3400,
    "BMP": 10,
}
_WRITING_LOSSLESS_WEBP_MS: Final = 1800
# WebP packs alpha without loss: three times the time of the photo alone, measured with a cut-out of
# 12 MP.
_WRITING_WEBP_WITH_ALPHA_MS: Final = 750


def given_bytes(inputs: Mapping[str, Array], name: str) -> bytes | None:
    """Return what an input BYTES [1] holds, a file or its base64; None where it is absent."""
    if name not in inputs:
        return None
    given = inputs[name].reshape(-1)[0]
    return given if isinstance(given, bytes) else str(given).encode()


def file_of(given: bytes, name: str, encoding: str) -> bytes:
    """Return a file's content.

    Args:
        given: the file, or its base64.
        name: what messages call it.
        encoding: raw or base64.

    Raises:
        PawfectError: INVALID_ARG for a file of over 1 GiB, or for what is no base64.
    """
    if len(given) > _MAX_BYTES[encoding]:
        raise invalid(name, f"a file of at most {MAX_FILE_BYTES // 2**20} MiB", "a larger one")
    if encoding != _BASE64:
        return given
    try:
        # Tools break the lines.
        return base64.b64decode(b"".join(given.split()), validate=True)
    except binascii.Error as error:
        raise invalid(name, "base64, as encoding says", f"something else ({error})") from None


def written(photo: Photo, kind: str, quality: int | None, encoding: str) -> bytes:
    """Return a photo's file, or its base64; see `pawfect.photo.saving.encode_photo`."""
    data = encode_photo(photo, kind, quality)
    return base64.b64encode(data) if encoding == _BASE64 else data


def writing_ms(
    photo: Photo, kind: str, quality: int | None, deadline_ms: int, *, alpha: bool
) -> float:
    """Return what of a deadline is kept for writing a result of the photo's size, ms.

    Args:
        photo: what was read.
        kind: one of `pawfect.photo.formats.WRITTEN`.
        quality: as in `encode_photo`.
        deadline_ms: of the request.
        alpha: whether the result has alpha.
    """
    each = _WRITING_MS[kind]
    if kind == "WEBP" and alpha:
        each = _WRITING_WEBP_WITH_ALPHA_MS
    if kind == "WEBP" and photo.lossless and quality is None:
        each = _WRITING_LOSSLESS_WEBP_MS
    return min(each * photo.size[0] * photo.size[1] / 1e6, deadline_ms / 2)


def pixels_of(names: Iterable[str]) -> Callable[[Mapping[str, Array], Mapping[str, Scalar]], int]:
    """Return what counts the pixels that the headers of these inputs declare: all are decoded.

    It is `pixels` of an `Orchestration`.
    """

    def pixels(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> int:
        encoding = _BASE64 if parameters.get("encoding") == _BASE64 else "raw"
        total = 0
        for name in names:
            if name in inputs and inputs[name].size:
                try:
                    given = given_bytes(inputs, name) or b""
                    total += declared_pixels(file_of(given, name, encoding))
                except PawfectError:
                    # Refused when it is read.
                    continue
        return total

    return pixels


def file_answer(file: bytes, report: str) -> dict[str, Array]:
    """Return the outputs FILE and REPORT."""
    return {"FILE": np.array([file], np.object_), "REPORT": text_tensor(report)}


def probe_file(picture: NDArray[np.uint8]) -> Array:
    """Return BYTES [1] of a picture's PNG, UINT8 [H, W] or [H, W, 3]."""
    return np.array([plain_png(picture)], np.object_)
