"""What goes into background removal: one request, and what a server has for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.cutout import CutoutParams
from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.tensors import check_photo_size
from pawfect.matting.networks import find_network
from pawfect.matting.presets import Defaults, Plan, plan, read_defaults
from pawfect.orchestrator.deployment import networks_here
from pawfect.profile import Profile
from pawfect.weights.store import Store, weights_root


@dataclass(frozen=True, eq=False)
class CutoutRequest:
    """One request, decoded.

    Attributes:
        image: UINT8 [H, W, 3] RGB.
        params: the scalars.
        background: UINT8 [h, w, 3] RGB of any size, what CUTOUT is laid on, or None.
    """

    image: NDArray[np.uint8]
    params: CutoutParams
    background: NDArray[np.uint8] | None = None

    def check(self) -> None:
        """Raise INVALID_ARG for pictures that are out of bounds."""
        for name, picture in (("IMAGE", self.image), ("BACKGROUND", self.background)):
            if picture is None:
                continue
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
                raise invalid(name, "uint8 [H, W, 3]", f"{picture.dtype} {list(picture.shape)}")
            check_photo_size(picture.shape[0], picture.shape[1], name)


@dataclass(frozen=True)
class Removal:
    """What one server's background removal works with, read once.

    Attributes:
        profile: its name, settings and networks.
        networks: those of which anything is here, the preferred first, and the identity of the
            weights of each.
        defaults: what is taken where a request says nothing.
        error: why no request can be answered, or None.
    """

    profile: Profile
    networks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    defaults: Defaults | None = None
    error: PawfectError | None = None

    def plan(self, request: CutoutRequest) -> Plan:
        """Return what a request comes to; raises as `pawfect.matting.presets.plan` does.

        Raises:
            PawfectError: UNAVAILABLE where no network is here.
        """
        if self.error is not None:
            raise self.error
        assert self.defaults is not None
        size = request.image.shape[1], request.image.shape[0]
        background = request.background is not None
        return plan(
            request.params, self.defaults, tuple(self.networks), size, background=background
        )


def read_removal(profile: Profile, verbatim: bool = False) -> Removal:
    """Return a profile's background removal; what is missing is its `error`."""
    del verbatim
    settings = profile.cutout
    if settings is None:
        problem = f"background_removal: profile {profile.name} has none"
        return Removal(profile, error=PawfectError(ErrorKind.UNAVAILABLE, problem))
    store = Store(weights_root())
    weights = networks_here(settings.networks, store)
    if not weights:
        names = [find_network(name).weights for name in settings.networks]
        problem = f"weights {names[-1]}: expected them here, got nothing; run "
        error = PawfectError(ErrorKind.UNAVAILABLE, f"{problem}`pawfect weights fetch {names[-1]}`")
        return Removal(profile, error=error)
    try:
        defaults = read_defaults(settings)
    except PawfectError as error:
        return Removal(profile, error=error)
    return Removal(profile, weights, defaults)
