"""What a request for background removal comes to: network, size, resize and edges."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from pawfect.contract.cutout import CutoutParams
from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.parameters import AUTO, Scalar
from pawfect.contract.report import Fallback
from pawfect.matting.networks import Network, View, find_network
from pawfect.settings import CutoutSettings


@dataclass(frozen=True)
class Preset:
    """One choice for all of a request.

    Attributes:
        size: px of the side at which the network looks.
        resize: static or dynamic.
        edges: none, guided or matting.
    """

    size: int
    resize: str
    edges: str


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "fast": Preset(384, "static", "none"),
        "standard": Preset(1024, "static", "guided"),
        "high": Preset(1536, "dynamic", "matting"),
        "maximum": Preset(2048, "dynamic", "matting"),
    }
)
# `size=auto`: by the photo's longer side, px, up to which each goes.
AUTO_SIZES: Final = ((1024, 1024), (2048, 1536))
LARGEST_AUTO_SIZE: Final = 2048
# What may be switched off on a server by PAWFECT_CUTOUT_FEATURES: modes that are not the stable
# ones. Each names the parameter and the value that it is about.
FEATURES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"dynamic": ("resize", "dynamic"), "matting": ("edges", "matting")}
)
# What stands in the place of a mode that is off, or that failed.
STABLE: Final = Preset(1024, "static", "guided")
# Defaults of a server, by environment; those of the original package after those of our own.
_VARIABLES: Final[Mapping[str, str]] = {
    f"{prefix}_{name.upper()}": name
    for prefix in ("INSPIRENET", "PAWFECT_CUTOUT")
    for name in ("preset", "network", "size", "resize", "edges", "threshold", "output")
}
_MODE: Final = "INSPIRENET_MODE"
# The original's modes: what each comes to here.
_MODES: Final[Mapping[str, Mapping[str, str]]] = {
    "base": {"preset": "standard"},
    "fast": {"preset": "fast"},
    "base-nightly": {"preset": "standard", "network": "inspyrenet-nightly"},
}
_FEATURES_VARIABLE: Final = "PAWFECT_CUTOUT_FEATURES"


@dataclass(frozen=True)
class Defaults:
    """What a server takes where a request says nothing.

    Attributes:
        params: of each parameter that has one.
        features: modes that are on.
    """

    params: CutoutParams
    features: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """What one request comes to.

    Attributes:
        network: which one looks.
        view: at which size.
        seen: width and height, px, at which it does.
        preset: the preset's name.
        edges: none, guided or matting.
        threshold: 0 to 1, or None.
        output: what CUTOUT is.
        network_asked: whether the request itself named the network.
        fallbacks: what was asked for and is not there.
    """

    network: Network
    view: View
    seen: tuple[int, int]
    preset: str
    edges: str
    threshold: float | None
    output: str
    network_asked: bool = False
    fallbacks: tuple[Fallback, ...] = ()


def read_defaults(
    settings: CutoutSettings, environment: Mapping[str, str] | None = None
) -> Defaults:
    """Return a server's defaults: of the environment, else of the profile.

    Args:
        settings: the profile's.
        environment: None: the process's.

    Raises:
        PawfectError: UNAVAILABLE, naming the variable, for a value that no request may have.
    """
    given = os.environ if environment is None else environment
    found: dict[str, Scalar] = {"preset": settings.preset}
    if given.get(_MODE):
        found |= _known(_MODES, given[_MODE], _MODE)
    for variable, name in _VARIABLES.items():
        if given.get(variable):
            found[name] = _value(variable, name, given[variable])
    names = given.get(_FEATURES_VARIABLE)
    listed = settings.features if names is None else map(str.strip, names.split(","))
    features = tuple(filter(None, listed))
    for feature in features:
        _known(FEATURES, feature, _FEATURES_VARIABLE)
    return Defaults(CutoutParams.parse(found), frozenset(features))


def plan(
    params: CutoutParams,
    defaults: Defaults,
    there: Collection[str],
    size: tuple[int, int],
    *,
    background: bool,
) -> Plan:
    """Return what a request comes to.

    Args:
        params: the request's.
        defaults: the server's.
        there: names of the networks whose weights are here, the preferred first; at least one.
        size: width and height of the photo, px.
        background: whether the request has a BACKGROUND.

    Raises:
        PawfectError: INVALID_ARG for a network that is not known, or for `output=background`
            without one; UNAVAILABLE for a network whose weights are not here.
    """
    chosen = _with_preset(_filled_in(params, defaults), params, max(size))
    wanted, fallbacks = _without_features(chosen, defaults.features)
    network, missing = _network(params.network, defaults.params.network, there)
    fallbacks += missing
    px = int(str(wanted.size))
    view = network.view(px, str(wanted.resize))
    asked = (params.preset, params.size, params.resize) != (None, None, None)
    if asked and (view.size, view.resize) != (px, wanted.resize):
        reason = f"{network.name} has no view of {px} px {wanted.resize}"
        fallbacks += (Fallback("preset", reason, f"{view.size} px {view.resize}"),)
    output = params.laid_on(background=background, default=defaults.params.output)
    return Plan(
        network, view, view.seen(*size), str(wanted.preset), str(wanted.edges), wanted.threshold,
        output, params.network is not None, fallbacks,
    )  # fmt: skip


def _filled_in(params: CutoutParams, defaults: Defaults) -> CutoutParams:
    names: tuple[str, ...] = ("preset", "threshold", "output")
    if params.preset is None:
        # A preset that a request names is stronger than a server's default for one of its parts.
        names += ("size", "resize", "edges")
    own = {name: getattr(defaults.params, name) for name in names if getattr(params, name) is None}
    return replace(params, **own)


def _with_preset(chosen: CutoutParams, params: CutoutParams, longer: int) -> CutoutParams:
    preset = PRESETS[str(chosen.preset)]
    parts = {"size": str(preset.size), "resize": preset.resize, "edges": preset.edges}
    if chosen.size == AUTO:
        px = next((size for most, size in AUTO_SIZES if longer <= most), LARGEST_AUTO_SIZE)
        chosen = replace(chosen, size=str(px))
    if chosen.size is not None and params.preset is None:
        # Only what keeps its shape is looked at larger than the square of the stable preset.
        parts["resize"] = "static" if int(chosen.size) <= STABLE.size else "dynamic"
    own: dict[str, Any] = {
        name: value for name, value in parts.items() if getattr(chosen, name) is None
    }
    return replace(chosen, **own)


def _without_features(
    chosen: CutoutParams, features: frozenset[str]
) -> tuple[CutoutParams, tuple[Fallback, ...]]:
    """Put what is stable in the place of modes that are off."""
    fallbacks = []
    for feature, (name, value) in FEATURES.items():
        if feature not in features and getattr(chosen, name) == value:
            stable = str(getattr(STABLE, name))
            change: dict[str, Any] = {name: stable}
            chosen = replace(chosen, **change)
            fallbacks.append(Fallback("preset", f"{name}={value} is off here", f"{name}={stable}"))
    return chosen, tuple(fallbacks)


def _network(
    asked: str | None, default: str | None, there: Collection[str]
) -> tuple[Network, tuple[Fallback, ...]]:
    """Return the request's network, else the server's default, else the first that is here."""
    first = find_network(next(iter(there)))
    name = asked or default
    if name is None:
        return first, ()
    network = find_network(name)
    if name in there:
        return network, ()
    missing = f"its weights are not here; run `pawfect weights fetch {network.weights}`"
    if asked is None:
        reason = f"{name}, the server's default: {missing}"
        return first, (Fallback("network", reason, first.name, ErrorKind.UNAVAILABLE),)
    raise PawfectError(ErrorKind.UNAVAILABLE, f"network={name}: {missing}")


def _value(variable: str, name: str, text: str) -> Scalar:
    """Return a variable's value in the type of its parameter, checked."""
    try:
        value: Scalar = float(text) if name == "threshold" else text
        CutoutParams.parse({name: value})
        if name == "network":
            find_network(text)
        if value == "background":
            raise invalid(name, "an output that each request has", repr(text))
    except ValueError:
        raise PawfectError(
            ErrorKind.UNAVAILABLE, f"{variable}: expected a number, got {text!r}"
        ) from None
    except PawfectError as error:
        raise PawfectError(ErrorKind.UNAVAILABLE, f"{variable}: {error.message}") from None
    return value


def _known(table: Mapping[str, Any], name: str, variable: str) -> Any:
    if name not in table:
        expected = f"one of {', '.join(table)}"
        problem = f"{variable}: expected {expected}, got {name!r}"
        raise PawfectError(ErrorKind.UNAVAILABLE, problem)
    return table[name]
