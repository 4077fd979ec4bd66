"""The networks of background removal, as data: `networks.toml`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Annotated, Any, Final

from pawfect.contract.cutout import RESIZES
from pawfect.contract.errors import invalid
from pawfect.contract.tables import SOME, at_least, multiple_of, one_of, read_table

BRIGHTEST: Final = "brightest"
# A view that keeps the shape sees at most the square of so many times its size: of 16:9 all of it,
# while a panorama is seen smaller.
MOST_SIDES: Final = 4 / 3
# Sides that networks of any size take are multiples of it, px.
MULTIPLE: Final = 32
_Three = tuple[Annotated[float, at_least(0)], ...]


@dataclass(frozen=True)
class View:
    """One file of a network, and the size at which it looks.

    Attributes:
        size: px.
        resize: static or dynamic.
        file: name in the folder of its weights.
    """

    size: Annotated[int, multiple_of(MULTIPLE)]
    resize: Annotated[str, one_of(*RESIZES)]
    file: str

    def seen(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height, px, at which a photo of that size is looked at."""
        if self.resize == "static":
            return self.size, self.size
        shorter = min(width, height)
        scale = min(1.0, self.size / shorter, MOST_SIDES * self.size / math.sqrt(width * height))
        return _side(scale * width), _side(scale * height)


@dataclass(frozen=True)
class Network:
    """A network, as `networks.toml` describes it.

    Attributes:
        name: its own.
        weights: entry of the weights' manifest.
        views: its files, by rising size.
        mean: of red, green and blue, 0 to 1.
        std: likewise.
        white: what counts as 1: 255, or the picture's brightest value.
        resample: how a photo is shrunk for it.
        enlarge: how its map is enlarged for the photo.
        sigmoid: whether its output still needs one.
        stretch: whether its least value becomes 0 and its largest 1.
        output: the output's place among the file's.
    """

    name: str
    weights: str
    views: Annotated[tuple[View, ...], SOME]
    mean: _Three
    std: _Three
    white: Annotated[str, one_of("255", BRIGHTEST)]
    resample: Annotated[str, one_of("bilinear", "lanczos")]
    enlarge: Annotated[str, one_of("bilinear", "corners", "lanczos")]
    sigmoid: bool
    stretch: bool
    output: Annotated[int, at_least(0)] = 0

    def view(self, size: int, resize: str) -> View:
        """Return the view that is nearest to a size and resize, and not larger if there is one."""
        own = [view for view in self.views if view.resize == resize] or list(self.views)
        fitting = [view for view in own if view.size <= size]
        return max(fitting, key=_size) if fitting else min(own, key=_size)

    def smaller(self, view: View) -> View | None:
        """Return the next smaller view, for where memory is short; None: there is none."""
        return max((v for v in self.views if v.size < view.size), key=_size, default=None)

    def named(self, text: str) -> View:
        """Return the view of that key; INVALID_ARG for another."""
        for view in self.views:
            if key(self, view) == text:
                return view
        expected = f"one of {', '.join(key(self, view) for view in self.views)}"
        raise invalid("NETWORK", expected, repr(text))


def key(network: Network, view: View) -> str:
    """Return what names one view of a network in a request: NAME:SIZE:RESIZE."""
    return f"{network.name}:{view.size}:{view.resize}"


@cache
def networks() -> Mapping[str, Network]:
    """Return all networks by name."""
    text = (resources.files("pawfect") / "matting" / "networks.toml").read_text("utf-8")
    return parse_networks(tomllib.loads(text))


def parse_networks(tables: Mapping[str, Any]) -> Mapping[str, Network]:
    """Check all tables and return the networks by name; raises TableError."""
    parsed = {name: read_table(Network, {**t, "name": name}, name) for name, t in tables.items()}
    return MappingProxyType(parsed)


def find_network(name: str) -> Network:
    """Return the network of that name.

    Raises:
        PawfectError: INVALID_ARG where there is none.
    """
    if name not in networks():
        raise invalid("network", f"one of {', '.join(networks())}", repr(name))
    return networks()[name]


def _side(px: float) -> int:
    return max(MULTIPLE, round(px / MULTIPLE) * MULTIPLE)


def _size(view: View) -> int:
    return view.size
