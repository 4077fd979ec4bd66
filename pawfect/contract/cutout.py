"""What background removal takes beside its pictures, and its REPORT."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pawfect import __version__
from pawfect.contract.errors import invalid
from pawfect.contract.parameters import (
    AUTO,
    ENCODINGS,
    FILE_FORMATS,
    MAX_DEADLINE_MS,
    Parameters,
    Scalar,
)
from pawfect.contract.report import Fallback, known_entries, with_fallbacks
from pawfect.contract.tables import between, matching, one_of

# By rising quality and time.
PRESETS = ("fast", "standard", "high", "maximum")
RESIZES = ("static", "dynamic")
EDGES = ("none", "guided", "matting")
# What `output` may be beside a colour; `background`: the input of that name.
OUTPUTS = ("rgba", "map", "green", "white", "blur", "background")
_OUTPUT = matching(
    rf"{'|'.join(OUTPUTS)}|#[0-9a-fA-F]{{6}}", f"one of {', '.join(OUTPUTS)} or a colour #rrggbb"
)
_SIZE = matching(rf"{AUTO}|[1-9][0-9]{{1,3}}", f"{AUTO} or a number of px, 10 to 9999")
_NAME = matching(r"[a-z0-9][a-z0-9._-]{0,63}", "a network's name")


@dataclass(frozen=True)
class CutoutParams(Parameters):
    """Parameters of `background_removal`; None leaves the choice to preset and server.

    What each costs is modelled for InSPyReNet on an L4's card and a photo of 12 MP, see
    docs/cutout.md; U2-Net-p looks at 320 px, for 0.6 s of CPU, whatever is asked.

    Attributes:
        preset: network, size, resize and edges as one choice. fast: 1.2 s and 1.1 GiB, for
            thumbnails; standard: 1.7 s and 3.0 GiB, outlines on the photo's own edges; high: 4.1 s
            and 7.0 GiB, fur and panoramas; maximum: 4.7 s and 11.5 GiB, several small subjects.
        network: name of the network that says what is the subject: larger ones take less of the
            background with it, and more time, memory and download.
        size: px of the side at which the network looks, or auto: by the photo's longer side. 1536
            finds smaller things than 1024 for 2.2 times the arithmetic, 2048 for 4.0 times.
        resize: static: the photo is squeezed into a square; dynamic: its shape is kept, for a third
            more pixels of a photo of 4:3.
        edges: what is done for fur and whiskers at the photo's full size: none; guided: the
            outline on the photo's own edge, for up to 1 s of CPU; matting: alpha solved in the
            unknown band, for some 3 s.
        threshold: 0 to 1; where given, alpha is 255 above it and 0 elsewhere: a hard mask, at the
            price of all softness.
        output: what CUTOUT is: rgba (the subject, the rest transparent), map (alpha in grey), or
            the subject laid on green, white, the blurred photo, the input BACKGROUND or a colour
            #rrggbb. None: background where that input is given, else rgba.
        deadline_ms: 1 to 600,000 ms from the request's arrival to its answer.
    """

    preset: Annotated[str, one_of(*PRESETS)] | None = None
    network: Annotated[str, _NAME] | None = None
    size: Annotated[str, _SIZE] | None = None
    resize: Annotated[str, one_of(*RESIZES)] | None = None
    edges: Annotated[str, one_of(*EDGES)] | None = None
    threshold: Annotated[float, between(0.0, 1.0)] | None = None
    output: Annotated[str, _OUTPUT] | None = None
    deadline_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 30_000

    @classmethod
    def parse(cls, given: Mapping[str, Scalar]) -> Self:
        """Return the parameters of one request; a size may be a number as well as a text."""
        size = given.get("size")
        return super().parse({**given, "size": str(size)} if type(size) is int else given)

    def laid_on(self, *, background: bool, default: str | None = None) -> str:
        """Return what CUTOUT is: one of OUTPUTS or a colour #rrggbb.

        The request's own output comes first, then a BACKGROUND, then the default, then rgba.

        Args:
            background: whether the input BACKGROUND is given.
            default: the server's own output; None: it has none.

        Raises:
            PawfectError: INVALID_ARG where that comes to background without that input.
        """
        output = self.output or ("background" if background else default or "rgba")
        if output == "background" and not background:
            raise invalid("BACKGROUND", "a picture, as output=background says", "nothing")
        return output


@dataclass(frozen=True)
class CutoutFileParams(CutoutParams):
    """Parameters of `background_removal_file`: those of `background_removal` and of its file.

    Attributes:
        format: what the result is written as; None: PNG for rgba and map, else the photo's own.
        quality: of a JPEG, WebP or AVIF, 1 to 100; None: as `inpaint_file` has it.
        encoding: raw: files as they are; base64: texts, in and out.
    """

    format: Annotated[str, one_of(*FILE_FORMATS)] | None = None
    quality: Annotated[int, between(1, 100)] | None = None
    encoding: Annotated[str, one_of(*ENCODINGS)] = "raw"


@dataclass(frozen=True)
class CutoutReport:
    """The report of one background removal.

    Attributes:
        network: which one ran.
        preset: the preset that was asked for, or the server's own.
        size: px of the side at which the network was to look.
        seen: width and height, px, at which it did.
        resize: static or dynamic.
        edges: what was done for the edges: none, guided or matting.
        threshold: the request's.
        output: what CUTOUT is.
        subject_found: whether there is anything that the network takes for a subject.
        confidence: how sure it is of what it takes for one, 0 to 1; too little where none is found.
        subject_share: share of the photo that is the subject, 0 to 1.
        sharpness: how steep alpha's edge is, see `pawfect.matting.edges`; None without an edge.
        device: what the network ran on: cpu, cuda or tensorrt.
        load_ms: milliseconds that loading the network took, when that was.
        network_mib: by how much the host's memory of its process grew then, MiB.
        profile: name of the server's profile.
        width: the photo's, px.
        height: the photo's, px.
        stage_ms: milliseconds per stage, in the order in which they began.
        total_ms: milliseconds from the request's arrival to its answer.
        fallbacks: what was missing or failed, and what was done instead.
        weights: identity of the weights in use, by component.
        lost: of `background_removal_file`: what of the photo the result's format cannot hold.
    """

    network: str
    preset: str
    size: int
    seen: tuple[int, int]
    resize: str
    edges: str
    threshold: float | None
    output: str
    subject_found: bool
    confidence: float
    subject_share: float
    sharpness: float | None
    device: str
    load_ms: float
    network_mib: float
    profile: str
    width: int
    height: int
    stage_ms: Mapping[str, float]
    total_ms: float
    fallbacks: tuple[Fallback, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    version: str = __version__

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return with_fallbacks(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> CutoutReport:
        """Read what `to_json` wrote; entries that only a newer server knows are left out."""
        given: dict[str, Any] = json.loads(text)
        known = known_entries(cls, given)
        known["seen"] = tuple(given["seen"])
        known["fallbacks"] = tuple(map(Fallback.of_json, given["fallbacks"]))
        known["lost"] = tuple(given.get("lost", ()))
        return cls(**known)
