"""Requests that are wrong, and what has to be said to them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image

from perf.service.soak.orders import materials

_SESSION: Final = "/v1/users/{uid}/sessions/{sid}/inpaint"
_RUNS: Final = "/api/v1/runs?kind=cutout&user={uid}"


@dataclass(frozen=True)
class Wrong:
    """One wrong request.

    Attributes:
        name: for tables.
        path: with {uid} and {sid}.
        expected: statuses that are right.
        method: of HTTP.
        photo: field's content; `good`: a photo.
        mask: field's content; `good`: a mask, `small`: one of another size, `black`: an empty one.
        parameters: JSON text.
        may_fail_later: whether it may be taken, and its job fail: in a crowd the API leaves pixels
            to the worker.
    """

    name: str
    path: str = _SESSION
    expected: tuple[int, ...] = (400,)
    method: str = "POST"
    photo: str | None = "good"
    mask: str | None = "good"
    parameters: str = "{}"
    may_fail_later: bool = False

    def request(self) -> dict[str, Any]:
        """Return httpx's arguments for it."""
        if self.method != "POST":
            return {}
        files = {}
        for name, said in (("photo", self.photo), ("mask", self.mask)):
            if said is not None:
                files[name] = (f"{name}.bin", _content(name, said))
        return {"files": files, "data": {"parameters": self.parameters}}


def _content(name: str, said: str) -> bytes:
    good = materials()["ground 0"]
    whole = good.photo if name == "photo" else good.mask or b""
    if said == "good":
        return whole
    if said == "cut":
        return whole[: len(whole) // 2]
    if said in ("small", "black"):
        height, width = good.free.shape
        shape = (height // 2, width // 2) if said == "small" else (height, width)
        written = io.BytesIO()
        Image.fromarray(np.zeros(shape, np.uint8)).save(written, "PNG")
        return written.getvalue()
    return said.encode()


WRONG: Final = (
    Wrong("no picture", photo="this is no picture"),
    Wrong("half a photo", photo="cut", may_fail_later=True),
    Wrong("a mask of another size", mask="small"),
    Wrong("an empty mask", mask="black", may_fail_later=True),
    Wrong("no mask", mask=None),
    Wrong("a parameter that is unknown", parameters='{"speed": 9}'),
    Wrong("a parameter out of bounds", parameters='{"seed": -1}'),
    Wrong("a text in place of a number", parameters='{"seed": "7"}'),
    Wrong("parameters that are no JSON", parameters="{'seed': 7}"),
    Wrong("a way out of the folder", "/v1/users/{uid}/sessions/..%2Fx/inpaint", (400, 404)),
    Wrong("a kind that is none", "/api/v1/runs?kind=fly&user={uid}"),
    Wrong("a run that is none", "/api/v1/runs/" + "0" * 32 + ".{uid}", (404,), method="GET"),
    Wrong("a session that is none", "/v1/users/{uid}/sessions/{sid}", (404,), method="GET"),
    Wrong("a field too many", _RUNS),
)
