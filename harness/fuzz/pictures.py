"""Readers of pictures' files: photos, masks, and what they carry besides pixels."""

from __future__ import annotations

import functools
import io
import struct
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from harness.fuzz.target import Target, any_way
from pawfect.contract.parameters import MASK_IS, MaskFileParams
from pawfect.photo import xmp
from pawfect.photo.deep import encode_deep_png
from pawfect.photo.formats import WRITTEN_AS
from pawfect.photo.image_file import declared_pixels
from pawfect.photo.mask_file import decode_mask_file, decode_protect
from pawfect.photo.photo import Photo, decode_photo, glance_at_jpeg, size_in_header
from pawfect.photo.saving import encode_photo

# Smallest photo: what is mutated is the form.
_SIDE: Final = 64
# HEIC is read only: what writes it is GPL.
_FILES: Final = Path(__file__).with_name("files")
_PACKET: Final = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">'
    b"dog</rdf:li></rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
    b'<?xpacket end="w"?>'
)


_NESTED: Final = b"<a>" * 40 + b"</a>" * 40


def _scene() -> Any:
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (_SIDE // 8, _SIDE // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)


def _saved(picture: Any, kind: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(sink, kind, **options)
    return sink.getvalue()


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0words"
    return exif.tobytes()


@functools.cache
def photos() -> tuple[bytes, ...]:
    """Return a small file of every format that is read, with everything that a file may carry."""
    scene = _scene()
    alpha = np.dstack([scene, np.full((_SIDE, _SIDE), 200, np.uint8)])
    deep = np.dstack([scene.astype(np.uint16) * 257] * 1)
    more: dict[str, Any] = {
        "exif": _exif(),
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", _PACKET.decode())
    grey = scene[..., 0]
    made = [
        _saved(scene, "JPEG", quality=60, xmp=_PACKET, dpi=(72, 72), **more),
        _saved(scene, "JPEG", quality=60, progressive=True),
        _saved(grey, "JPEG", quality=60),
        _saved(Image.fromarray(scene).convert("CMYK"), "JPEG", quality=50),
        _saved(scene, "PNG", pnginfo=info, **more),
        _saved(alpha, "PNG"),
        _saved(Image.fromarray(scene).convert("P"), "PNG", transparency=3),
        encode_deep_png(deep),
        encode_deep_png(np.ascontiguousarray(deep[..., :1])),
        _saved(scene, "WEBP", quality=50, xmp=_PACKET, **more),
        _saved(alpha, "WEBP", lossless=True),
        _saved(scene, "TIFF", **more),
        _saved(scene, "TIFF", compression="tiff_lzw"),
        _saved(scene, "TIFF", compression="tiff_adobe_deflate"),
        _saved(grey, "TIFF", compression="packbits"),
        _tiff(deep),
        _tiff(deep, tile=(32, 32), compression="zlib"),
        _saved(scene, "BMP"),
        _saved(Image.fromarray(scene).convert("P"), "GIF"),
        _saved(scene, "AVIF", quality=40, speed=10, **more),
        _saved(alpha, "AVIF", quality=40, speed=10),
        *(file.read_bytes() for file in sorted(_FILES.glob("*.heic"))),
    ]
    return tuple(made)


def _tiff(samples: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    tifffile.imwrite(sink, samples, photometric="rgb", **options)
    return sink.getvalue()


def _read_and_write(data: bytes) -> None:
    """Do with a photo what an inpainting does: read it, change it, write it."""
    photo = decode_photo(data)
    changed = photo.with_pixels(~photo.pixels).changed_by("patch")
    encode_photo(changed, WRITTEN_AS.get(photo.format, photo.format))
    if not photo.has_transparency:
        encode_photo(changed, "JPEG")


def _glance(data: bytes) -> None:
    """Do with a photo what the API does before its job is queued."""
    declared_pixels(data)
    size_in_header(data)
    glance_at_jpeg(data)


@functools.cache
def _photo() -> Photo:
    return decode_photo(_saved(_scene(), "PNG"))


@functools.cache
def masks() -> tuple[bytes, ...]:
    """Return masks of the kinds that people have."""
    hole = np.zeros((_SIDE, _SIDE), np.uint8)
    hole[20:40, 20:40] = 255
    strokes = np.dstack([np.full((_SIDE, _SIDE, 3), (255, 0, 0), np.uint8), hole])
    erased = _scene()
    erased[20:40, 20:40] = 255
    return (
        _saved(hole, "PNG"),
        _saved(hole > 0, "PNG"),
        _saved(hole, "JPEG"),
        _saved(strokes, "PNG"),
        _saved(strokes, "WEBP", lossless=True),
        _saved(np.dstack([_scene(), 255 - hole]), "PNG"),
        _saved(erased, "PNG"),
        _saved(Image.fromarray(hole).convert("P"), "GIF"),
        _saved(hole, "TIFF"),
        encode_deep_png(hole[..., None].astype(np.uint16) * np.uint16(257)),
    )


def _mask(data: bytes) -> None:
    """Read a mask in every way."""
    told = [
        MaskFileParams(mask_is, invert_mask=bool(number % 2), fit_mask=number > 2)
        for number, mask_is in enumerate((None, *MASK_IS))
    ]
    ways = [partial(decode_mask_file, data, _photo(), "mask", params) for params in told]
    any_way([*ways, lambda: decode_protect(data, _photo())])


def _packet(data: bytes) -> None:
    """Do with XMP what reading and writing a photo does."""
    read = xmp.upright_xmp(data)
    xmp.with_source_type(read, "patch")
    xmp.source_type(read)
    xmp.only_source_type(data)


_PICTURE_TOKENS: Final = (
    b"IHDR", b"IDAT", b"eXIf", b"iTXt", b"iCCP", b"acTL", b"fcTL", b"tRNS", b"PLTE", b"zTXt",
    b"Exif\0\0", b"II*\0", b"MM\0*", b"\xff\xd8", b"\xff\xd9", b"\xff\xe1", b"\xff\xe2",
    b"\xff\xc0", b"\xff\xda", b"\xff\xdd\x00\x04\x00\x01", b"MPF\0", b"RIFF", b"VP8X",
    b"VP8L", b"EXIF", b"XMP ", b"ANIM", b"ftypavif", b"ftypheic", b"meta", b"iloc",
    b"ispe", b"irot", b"ipma",
    b"BM", b"GIF89a", b"\x21\xff\x0bNETSCAPE2.0", b"acsp", b"ICC_PROFILE\0\x01\x01",
    struct.pack("<HHII", 0x0112, 3, 1, 9), struct.pack("<HHII", 256, 4, 1, 2**31),
    struct.pack("<HHII", 258, 3, 3, 8), struct.pack("<HHII", 273, 4, 2**28, 8),
    struct.pack("<HHII", 259, 3, 1, 50_000), struct.pack("<HHII", 330, 13, 1, 8),
)  # fmt: skip
PICTURES: Final = (
    Target("photo", lambda: list(photos()), _read_and_write, tokens=_PICTURE_TOKENS),
    Target("photo-glance", lambda: list(photos()), _glance, tokens=_PICTURE_TOKENS),
    Target("mask", lambda: list(masks()), _mask, tokens=_PICTURE_TOKENS),
    Target(
        "xmp",
        lambda: [_PACKET, _PACKET.replace(b"</rdf:RDF>", _NESTED + b"</rdf:RDF>")],
        _packet,
        tokens=(
            b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"\xff\xfe", b"\0", b"<a>" * 3000, b"]]>",
            b"<![CDATA[", b'xmlns:tiff="x"', b"tiff:Orientation",
            b"<?xml version='1.0' encoding='x'?>", b"<?xml version='1.0' encoding='utf-16'?>",
            b"rdf:resource", b"Iptc4xmpExt:DigitalSourceType",
        ),
    ),
)  # fmt: skip
