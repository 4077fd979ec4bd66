"""XMP is kept but for what it says of other pictures, and states what kind of change a fill is."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pawfect.contract.parameters import ENGINES
from pawfect.photo.xmp import SOURCE_TYPES, source_type, upright_xmp, with_source_type
from pawfect_client import decode_photo, encode_photo
from tests.pawfect.photo.pictures import encoded, opened, scene

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
CODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SECRET = "thumbnail-of-what-was-there"


def packet(attributes: str = "", children: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        f'<rdf:Description rdf:about="" xmlns:xmp="{XMP}" xmlns:Iptc4xmpExt="{IPTC}"'
        ' xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
        ' xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"'
        f' xmlns:mine="https://example.org/mine/" {attributes}>{children}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def description(data: bytes) -> ElementTree.Element:
    return next(ElementTree.fromstring(data.decode()).iter(f"{{{RDF}}}Description"))


RICH = packet(
    'xmp:Rating="5" tiff:Orientation="6" mine:note="lawn" GCamera:MicroVideoOffset="1234"',
    f"<xmp:Thumbnails>{SECRET}</xmp:Thumbnails><tiff:Orientation>8</tiff:Orientation>"
    "<mine:list>kept</mine:list>",
)


def test_what_says_nothing_of_other_pictures_is_kept_upright():
    kept = description(upright_xmp(RICH))
    assert kept.attrib == {
        f"{{{RDF}}}about": "",
        f"{{{XMP}}}Rating": "5",
        "{http://ns.adobe.com/tiff/1.0/}Orientation": "1",
        "{https://example.org/mine/}note": "lawn",
    }
    assert [(child.tag.split("}")[1], child.text) for child in kept] == [
        ("Orientation", "1"),
        ("list", "kept"),
    ]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_it_survives_in_every_format_that_can_hold_it(source, kind):
    extra = {"xmp": RICH}
    if source == "PNG":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", RICH.decode())
        extra = {"pnginfo": text}
    photo = decode_photo(encoded(scene(), source, **extra))
    written = encode_photo(photo.changed_by("patch"), kind)
    assert SECRET.encode() not in written
    again = opened(written).info["xmp"]
    assert description(again).get(f"{{{XMP}}}Rating") == "5"
    assert source_type(again) == "algorithmicallyEnhanced"
    stated = description(again).get(f"{{{IPTC}}}DigitalSourceType")
    assert stated == CODES + "algorithmicallyEnhanced"


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        ("patch", "algorithmicallyEnhanced"),
        ("lama", "compositeWithTrainedAlgorithmicMedia"),
        ("flux", "compositeWithTrainedAlgorithmicMedia"),
        ("a newer one", "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_the_engine_decides_the_source_type(engine, kind):
    assert source_type(with_source_type(None, engine)) == kind
    assert source_type(with_source_type(RICH, engine)) == kind


def test_every_engine_has_one_and_so_have_a_cut_out_and_a_swap():
    assert set(SOURCE_TYPES) == set(ENGINES) - {"auto"} | {
        "cutout",
        "background",
        "lettering",
        "remote",
        "swap",
    }


@pytest.mark.parametrize("form", ["attribute", "element"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("digitalCapture", "algorithmicallyEnhanced"),
        ("trainedAlgorithmicMedia", "trainedAlgorithmicMedia"),
        ("compositeSynthetic", "compositeSynthetic"),
    ],
)
def test_patches_do_not_undo_that_a_photo_was_generated(before, after, form):
    name = "Iptc4xmpExt:DigitalSourceType"
    given = {
        "attribute": packet(f'{name}="{CODES}{before}"'),
        "element": packet(children=f"<{name}>{CODES}{before}</{name}>"),
    }[form]
    assert source_type(given) == before
    changed = with_source_type(given, "patch")
    assert source_type(changed) == after
    assert changed.count(b"DigitalSourceType=") == 1
    assert b"<Iptc4xmpExt:DigitalSourceType" not in changed


def test_xmp_too_long_for_jpeg_leaves_the_source_type_alone():
    photo = decode_photo(encoded(scene(), "WEBP", xmp=packet(f'mine:note="{"x" * 70_000}"')))
    written = opened(encode_photo(photo.changed_by("flux"), "JPEG")).info["xmp"]
    assert len(written) < 1000
    assert source_type(written) == "compositeWithTrainedAlgorithmicMedia"
    kept = opened(encode_photo(photo.changed_by("flux"), "PNG")).info["xmp"]
    assert len(kept) > 70_000


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\xff\xfe\x00",
        b"no xml",
        b"<x:xmpmeta>",
        b'<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>',
        b"<a>" * 5000 + b"</a>" * 5000,
    ],
)
def test_what_cannot_be_read_is_dropped_and_the_photo_is_not(broken):
    assert upright_xmp(broken) is None
    photo = decode_photo(
        encoded(scene(), "JPEG", xmp=broken) if broken else encoded(scene(), "JPEG")
    )
    assert photo.xmp is None
    assert source_type(photo.changed_by("patch").xmp) == "algorithmicallyEnhanced"


def test_a_photo_that_nothing_was_done_to_says_nothing_new():
    photo = decode_photo(encoded(Image.fromarray(scene()), "PNG"))
    assert photo.xmp is None
    assert "xmp" not in opened(encode_photo(photo, "PNG")).info
    assert photo.changed_by("init") is photo, "a search's unedited picture"
