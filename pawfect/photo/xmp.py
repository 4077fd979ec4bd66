"""XMP for a photo that was turned upright and changed, and where it says that it was changed.

ISO 16684-1; the property is IPTC Photo Metadata 2025.1, Digital Source Type.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from xml.etree import ElementTree

from pawfect.contract.parameters import DENOISING

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META: Final = "adobe:ns:meta/"
_IPTC: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
# ElementTree writes others as ns0, ns1 and so on, which means the same.
_PREFIXES: Final = {
    "rdf": _RDF,
    "x": _META,
    "Iptc4xmpExt": _IPTC,
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
}
_DESCRIPTION: Final = f"{{{_RDF}}}Description"
_SOURCE_TYPE: Final = f"{{{_IPTC}}}DigitalSourceType"
_ORIENTATION: Final = "{http://ns.adobe.com/tiff/1.0/}Orientation"
_CODES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"

_TRAINED: Final = "compositeWithTrainedAlgorithmicMedia"
# What a fill by each engine makes of a photo: copying its own pixels is an algorithm without
# training, the networks are trained. A cut-out has the photo's own pixels too, on a background also
# those of another picture.
SOURCE_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "patch": "algorithmicallyEnhanced",
        "lama": _TRAINED,
        **dict.fromkeys(DENOISING, _TRAINED),
        "cutout": "algorithmicallyEnhanced",
        "background": "composite",
        "lettering": "compositeSynthetic",
        "remote": _TRAINED,
        # Whatever refines it: the face is a network's.
        "swap": _TRAINED,
    }
)
# What a photo may say of itself that a fill by patches does not undo: that parts of it, or all,
# were generated.
_GENERATED: Final = frozenset(
    {
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
        "algorithmicMedia",
    }
)
# Further pictures of the scene as it was before, or where they stand in the file; all of it would
# still show what was removed, or point to what is no longer there.
_OTHER_PICTURES: Final = (
    "{http://ns.adobe.com/xap/1.0/}Thumbnails",
    "{http://ns.adobe.com/xmp/note/}HasExtendedXMP",
    "{http://ns.google.com/photos/1.0/camera/}",
    "{http://ns.google.com/photos/1.0/container/}",
    "{http://ns.google.com/photos/1.0/depthmap/}",
    "{http://ns.google.com/photos/1.0/image/}",
    "{http://ns.google.com/photos/dd/1.0/}",
    "{http://ns.adobe.com/hdr-gain-map/1.0/}",
    "{http://ns.apple.com/pixeldatainfo/1.0/}",
    "{http://ns.apple.com/HDRGainMap/1.0/}",
)
_OPENED: Final = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_CLOSED: Final = '\n<?xpacket end="w"?>'

for _prefix, _namespace in _PREFIXES.items():
    ElementTree.register_namespace(_prefix, _namespace)


def upright_xmp(packet: bytes | str | None) -> bytes | None:
    """Return the XMP of a photo that was turned upright.

    All stays but the orientation, which becomes 1, and whatever is or points to another picture.

    Args:
        packet: as it stood in the file, or None.

    Returns:
        A packet in UTF-8; None where there is none that can be read.
    """
    root = _parsed(packet)
    if root is None:
        return None
    for element in list(root.iter()):
        for child in [child for child in element if _is_other_picture(child.tag)]:
            element.remove(child)
        for name in [name for name in element.attrib if _is_other_picture(name)]:
            del element.attrib[name]
        if element.tag == _ORIENTATION:
            element.text = "1"
        if _ORIENTATION in element.attrib:
            element.attrib[_ORIENTATION] = "1"
    return _written(root)


def with_source_type(packet: bytes | None, engine: str) -> bytes:
    """Return XMP that says by DigitalSourceType how the picture was changed.

    Args:
        packet: the photo's own, as `upright_xmp` returned it, or None.
        engine: which filled it; one that is not in SOURCE_TYPES counts as a network.
    """
    kind = SOURCE_TYPES.get(engine, _TRAINED)
    before = source_type(packet)
    return _stating(packet, before if before in _GENERATED and kind not in _GENERATED else kind)


def only_source_type(packet: bytes) -> bytes | None:
    """Return a packet that says nothing but another's DigitalSourceType; None where it has none."""
    kind = source_type(packet)
    return None if kind is None else _stating(None, kind)


def source_type(packet: bytes | None) -> str | None:
    """Return the IPTC code that XMP states as DigitalSourceType, such as `digitalCapture`."""
    root = _parsed(packet)
    if root is None:
        return None
    for description in root.iter(_DESCRIPTION):
        stated = description.get(_SOURCE_TYPE) or description.findtext(_SOURCE_TYPE)
        if stated:
            return stated.strip().rsplit("/", 1)[-1]
    return None


def _stating(packet: bytes | None, kind: str | None) -> bytes:
    """Return a packet with this DigitalSourceType in place of its own."""
    root = _parsed(packet)
    if root is None:
        root = ElementTree.Element(f"{{{_META}}}xmpmeta")
        ElementTree.SubElement(root, f"{{{_RDF}}}RDF")
    descriptions = list(root.iter(_DESCRIPTION))
    if not descriptions:
        rdf = next(iter(root.iter(f"{{{_RDF}}}RDF")), root)
        descriptions = [ElementTree.SubElement(rdf, _DESCRIPTION, {f"{{{_RDF}}}about": ""})]
    for description in descriptions:
        description.attrib.pop(_SOURCE_TYPE, None)
        for child in description.findall(_SOURCE_TYPE):
            description.remove(child)
    descriptions[0].set(_SOURCE_TYPE, f"{_CODES}{kind}")
    # What was read had passed this once.
    return _written(root) or b""


def _is_other_picture(name: str) -> bool:
    return name.startswith(_OTHER_PICTURES)


def _parsed(packet: bytes | str | None) -> ElementTree.Element | None:
    """Return a packet's root; None for one that cannot be read or that defines entities."""
    if not packet:
        return None
    try:
        text = packet if isinstance(packet, str) else packet.decode("utf-8-sig")
        # XMP has no document type; what has one may have its entities multiplied.
        if "<!DOCTYPE" in text:
            return None
        return ElementTree.fromstring(text.strip("\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError):
        return None


def _written(root: ElementTree.Element) -> bytes | None:
    """Return the packet of a tree; None for one nested more deeply than any XMP."""
    try:
        text = ElementTree.tostring(root, encoding="unicode")
    except RecursionError:
        return None
    return (_OPENED + text + _CLOSED).encode()
