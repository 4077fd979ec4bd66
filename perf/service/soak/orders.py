"""What clients order: the kinds of jobs, their pictures, and where these may change."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from perf.scenes import load_scene
from perf.service.pictures import pictures
from perf.service.soak import schedule

# Around a hole the fill, its feather and a JPEG's blocks (16 px) may change what is there, px.
MARGIN_PX: Final = 32
# Around letters, which a repair takes off with their edges.
_SIGN: Final = ("DOG PRAK", "DOG PARK")
_SIGN_BOX: Final = (55, 90, 215, 50)
_REGION: Final = (110, 80, 60, 50)
_SUBJECT_PX: Final = (400, 300)


@dataclass(frozen=True, eq=False)
class Material:
    """A photo that clients send, and where results of it may differ.

    Attributes:
        photo: a JPEG.
        mask: a PNG; None: it has none.
        pixels: UINT8 [H, W, 3] RGB, the photo as it decodes.
        hole: BOOL [H, W], where a result has to differ from it; nowhere, if nothing is filled.
    """

    photo: bytes
    mask: bytes | None
    pixels: NDArray[np.uint8]
    hole: NDArray[np.bool_]

    @cached_property
    def free(self) -> NDArray[np.bool_]:
        """BOOL [H, W], where a result may differ from it: the hole with its margin."""
        around = np.ones((2 * MARGIN_PX + 1,) * 2, np.uint8)
        return np.asarray(cv2.dilate(self.hole.astype(np.uint8), around) > 0)


@dataclass(frozen=True)
class Order:
    """One way to ask for a job.

    Attributes:
        name: of the kind.
        path: of the route, with {uid}, {sid} and {run}.
        material: names of its pictures, one of which a client takes.
        parameters: of the job.
        body: the request, where it is JSON; None: a form with files.
        refused: what a profile without the networks says; None: it is to be taken.
        share: how often it is asked for, by weight.
    """

    name: str
    path: str
    material: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    refused: str | None = None
    share: float = 1.0

    @property
    def on_run(self) -> bool:
        """Whether it works on a run that there is."""
        return "{run}" in self.path

    def form(self, seed: int) -> dict[str, Any]:
        """Return the texts of its form."""
        return {"parameters": json.dumps({"seed": seed, **self.parameters})}


def _runs(kind: str) -> str:
    return f"/api/v1/runs?kind={kind}&user={{uid}}"


_FILLS: Final = tuple(f"ground {number}" for number in range(10))
_SESSION: Final = "/v1/users/{uid}/sessions/{sid}/inpaint"
_NO_EDIT: Final = "has no edit model"
# A fill in well under a second: the subject's network would take as long again, and cut-outs have
# it. Two fills of these may differ where it is asked for and late.
_PLAIN: Final = {"protect": "none"}
_SHORT: Final = {"k_global": 2, "m_global": 1, "k_local": 1, **_PLAIN}

ORDERS: Final[Mapping[str, Order]] = MappingProxyType(
    {
        order.name: order
        for order in (
            Order(schedule.SESSION, _SESSION, _FILLS, _PLAIN, share=5),
            Order("run inpaint", _runs("inpaint"), _FILLS, _PLAIN, share=2),
            Order(schedule.IMPORT, _runs("import"), ("sign", "dog"), share=2),
            Order(schedule.CUTOUT, _runs("cutout"), ("dog",), share=2),
            Order(schedule.SEARCH, _runs("search"), _FILLS[:3], _SHORT, share=1),
            Order(
                schedule.REGION,
                "/api/v1/runs/{run}/refine",
                ("region",),
                body={"type": "region", "payload": {"masks": [{"bbox": _REGION}]}, "base": 1},
                share=2,
            ),
            Order(
                schedule.TEXT,
                "/api/v1/runs/{run}/refine",
                ("sign",),
                body={
                    "type": "text",
                    "payload": {"corrections": [{"bbox": _SIGN_BOX, "text": _SIGN[1]}]},
                    "base": 1,
                },
                share=1,
            ),
            Order(
                "refine subject",
                "/api/v1/runs/{run}/refine",
                ("sign",),
                body={"type": "subject", "payload": {"instructions": "a longer tail"}, "base": 1},
                refused=_NO_EDIT,
                share=0.3,
            ),
            Order(
                "refine general",
                "/api/v1/runs/{run}/refine",
                ("sign",),
                body={"type": "general", "payload": {"prompt": "softer light"}, "base": 1},
                refused=_NO_EDIT,
                share=0.3,
            ),
            Order(
                "run swap", _runs("swap"), ("dog",), {"consent": True}, refused="weights", share=0.3
            ),
        )
    }
)


def files_of(order: Order, material: Material) -> dict[str, tuple[str, bytes]]:
    """Return the files of an order's form."""
    files = {"photo": ("photo.jpg", material.photo)}
    if material.mask is not None and "import" not in order.path:
        files["mask"] = ("mask.png", material.mask)
    if "kind=swap" in order.path:
        files["reference"] = files["photo"]
    return files


@cache
def materials() -> Mapping[str, Material]:
    """Return all pictures by name; drawn once."""
    made = {}
    for name, scene in zip(_FILLS, pictures(), strict=True):
        photo, mask = scene.encoded()
        made[name] = Material(photo, mask, _decoded(photo), scene.mask > 0)
    dog = load_scene().resized(*_SUBJECT_PX).encoded()[0]
    sign = _sign()
    board = _decoded(sign)
    made["dog"] = Material(dog, None, _decoded(dog), np.zeros(_decoded(dog).shape[:2], bool))
    made["sign"] = Material(sign, None, board, _box(board, _SIGN_BOX))
    ground = made[_FILLS[0]]
    made["region"] = Material(ground.photo, None, ground.pixels, _box(ground.pixels, _REGION))
    return MappingProxyType(made)


def _sign() -> bytes:
    image = Image.new("RGB", (320, 240), (200, 180, 140))
    ImageDraw.Draw(image).text(
        (60, 90), _SIGN[0], font=ImageFont.load_default(40), fill=(30, 30, 40)
    )
    written = io.BytesIO()
    image.save(written, "JPEG", quality=92)
    return written.getvalue()


def _decoded(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def _box(pixels: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    x, y, width, height = box
    inside = np.zeros(pixels.shape[:2], bool)
    inside[y : y + height, x : x + width] = True
    return inside
