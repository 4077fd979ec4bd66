"""Regions of a photo, each filled anew: an inpainting of its own, the others left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.parameters import DENOISING
from pawfect.contract.refine import Region, RegionPayload
from pawfect.contract.refine_report import RegionReport
from pawfect.contract.report import Report
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.refine.repaired import Repaired


class FillRegion(Protocol):
    """Fills one region."""

    async def __call__(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        protect: NDArray[np.uint8] | None,
        prompt: str | None,
        place: int,
    ) -> tuple[NDArray[np.uint8], Report]:
        """Return the photo with the region filled, and how that came about.

        Args:
            image: UINT8 [H, W, 3].
            mask: UINT8 [H, W], 255 = the region.
            protect: UINT8 [H, W], 255 = neither filled nor copied from, or None.
            prompt: what is to be there, or None.
            place: of the region in the payload, from 0.

        Raises:
            PawfectError: why there is no fill.
        """
        ...


@dataclass(frozen=True, eq=False)
class Regions:
    """Where the regions of a photo are.

    Attributes:
        regions: in the order of the payload.
        owners: UINT8 [H, W]: 0 = none, n = the nth region, from 1.
    """

    regions: tuple[Region, ...]
    owners: NDArray[np.uint8]

    @property
    def all(self) -> NDArray[np.uint8]:
        """Every region as one mask, UINT8 [H, W], 255 = one of them."""
        return _mask(self.owners > 0)

    def mask(self, place: int) -> NDArray[np.uint8]:
        """Return one region's mask, UINT8 [H, W], 255 = it."""
        return _mask(self.owners == place + 1)

    def others(self, place: int) -> NDArray[np.uint8]:
        """Return what other regions cover, UINT8 [H, W], 255 = one of them."""
        return _mask((self.owners > 0) & (self.owners != place + 1))


def place_regions(
    payload: RegionPayload, masks: NDArray[np.uint8] | None, height: int, width: int
) -> Regions:
    """Return where a payload's regions are.

    Args:
        payload: boxes and places in MASKS.
        masks: UINT8 [K, H, W], >= 128 = it, or None.
        height: the photo's, px.
        width: the photo's, px.

    Raises:
        PawfectError: INVALID_ARG for a place that MASKS has not, a mask that no region names, an
            empty one, and regions that share a pixel.
    """
    given = 0 if masks is None else len(masks)
    named = {region.mask for region in payload.masks if region.mask is not None}
    for place in sorted(named - set(range(given))):
        raise invalid("PAYLOAD: masks", f"a mask within MASKS, which has {given}", place)
    for place in sorted(set(range(given)) - named):
        raise invalid("MASKS", "masks that the payload names", f"one more, MASKS[{place}]")
    owners = np.zeros((height, width), np.uint8)
    for place, region in enumerate(payload.masks):
        own = _marked(region, masks, height, width)
        shared = own & (owners > 0)
        if shared.any():
            other = int(owners[shared][0]) - 1
            got = f"masks[{other}] and masks[{place}] with {np.count_nonzero(shared)} px of both"
            raise invalid("PAYLOAD: masks", "regions that share no pixel", got)
        owners[own] = place + 1
    return Regions(payload.masks, owners)


def _marked(
    region: Region, masks: NDArray[np.uint8] | None, height: int, width: int
) -> NDArray[np.bool_]:
    if region.bbox is not None:
        x, y, wide, high = region.bbox
        marked = np.zeros((height, width), np.bool_)
        marked[y : y + high, x : x + wide] = True
        return marked
    assert masks is not None
    assert region.mask is not None
    drawn: NDArray[np.bool_] = masks[region.mask] >= MASK_THRESHOLD
    if not drawn.any():
        expected = f"some pixels >= {MASK_THRESHOLD} (to fill)"
        raise invalid(f"MASKS[{region.mask}]", expected, "none")
    return drawn


async def repair_regions(
    image: NDArray[np.uint8],
    placed: Regions,
    protect: NDArray[np.uint8] | None,
    fill: FillRegion,
    on_filled: Callable[[int, NDArray[np.uint8]], Awaitable[None]],
) -> Repaired:
    """Fill regions one after another, each beside what the ones before became.

    While one is filled, the others are neither filled nor copied from: what stands there is still
    to be replaced, or was invented.

    Args:
        image: UINT8 [H, W, 3].
        placed: where they are.
        protect: UINT8 [H, W], >= 128 = neither filled nor copied from, or None.
        fill: fills one.
        on_filled: told the place of each, and the photo as far as it is filled.

    Raises:
        PawfectError: as `fill` does; INVALID_ARG names the region.
    """
    reports = []
    for place, region in enumerate(placed.regions):
        mask, guard = await asyncio.to_thread(_planes, placed, place, protect)
        try:
            image, report = await fill(image, mask, guard, region.prompt, place)
        except PawfectError as error:
            if error.kind is not ErrorKind.INVALID_ARG:
                raise
            raise PawfectError(error.kind, f"PAYLOAD: masks[{place}]: {error.message}") from None
        reports.append(_report(region, mask, report))
        await on_filled(place, image)
    return Repaired(
        image,
        "inpaint",
        regions=tuple(reports),
        notes=tuple(_notes(reports)),
        fallbacks=tuple(chain.from_iterable(it.inpaint.fallbacks for it in reports)),
        weights={name: used for it in reports for name, used in it.inpaint.weights.items()},
    )


def _planes(
    placed: Regions, place: int, protect: NDArray[np.uint8] | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Return a region's mask, and what is guarded meanwhile: nothing where that is empty."""
    guard = placed.others(place)
    if protect is not None:
        guard = np.maximum(guard, protect)
    return placed.mask(place), guard if guard.any() else None


def _report(region: Region, mask: NDArray[np.uint8], report: Report) -> RegionReport:
    x, y, wide, high = region.bbox or cv2.boundingRect(mask)
    used = region.prompt is not None and report.engine in DENOISING
    return RegionReport((x, y, wide, high), region.mask, region.prompt, used, report)


def _notes(reports: Sequence[RegionReport]) -> list[str]:
    unread = [
        (f"masks[{place}]", it.inpaint.engine)
        for place, it in enumerate(reports)
        if it.prompt is not None and not it.prompt_used
    ]
    if not unread:
        return []
    places = ", ".join(place for place, _ in unread)
    engines = " and ".join(sorted({engine for _, engine in unread}))
    return [f"no prompt was read of {places}: the engine {engines} goes by what surrounds a hole"]


def _mask(marked: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return marked.astype(np.uint8) * np.uint8(255)
