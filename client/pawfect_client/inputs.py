"""What goes to the service, checked by the service's own rules before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import Scalar
from pawfect.contract.tensors import (
    MASK_THRESHOLD,
    MAX_LABELS,
    Array,
    check_photo_size,
)
from pawfect.contract.texts import check_texts, text_tensor


def photo_tensors(image: NDArray[np.uint8]) -> dict[str, Array]:
    """Return the tensors by name of a request that is a photo alone.

    Args:
        image: UINT8 [H, W, 3] RGB.

    Raises:
        PawfectError: INVALID_ARG for an image of another type, dtype, shape or size.
    """
    check_picture(image, "IMAGE")
    return {"IMAGE": image}


def inpaint_tensors(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    protect: NDArray[np.uint8] | None,
    scene_labels: Sequence[str],
    prompt: str | None,
) -> dict[str, Array]:
    """Return the tensors of a request by name, those that are absent left out.

    Args:
        image: UINT8 [H, W, 3] RGB.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W], >= 128 = never filled, or None.
        scene_labels: at most 64 surfaces around the hole.
        prompt: what to fill with or None.

    Raises:
        PawfectError: INVALID_ARG for another type, dtype, rank or size, sizes that differ, a mask
            that is empty or full, too many labels, or a text of over 2,048 bytes.
    """
    check_picture(image, "IMAGE")
    height, width = image.shape[:2]
    tensors: dict[str, Array] = {"IMAGE": image, "MASK": mask}
    if protect is not None:
        tensors["PROTECT"] = protect
    for name in ("MASK", "PROTECT"):
        if name in tensors:
            check_plane(tensors[name], name, width, height)
    _check_holes(mask)
    if scene_labels:
        if isinstance(scene_labels, str) or len(scene_labels) > MAX_LABELS:
            got = repr(scene_labels) if isinstance(scene_labels, str) else len(scene_labels)
            raise invalid("SCENE_LABELS", f"a list of at most {MAX_LABELS} texts", got)
        tensors["SCENE_LABELS"] = text_tensor(*check_texts("SCENE_LABELS", scene_labels))
    return tensors | _prompt_tensor(prompt)


def search_tensors(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    protect: NDArray[np.uint8] | None,
    prompt: str | None,
) -> dict[str, Array]:
    """Return the tensors of a search by name, those that are absent left out.

    Args:
        image: UINT8 [H, W, 3] RGB.
        mask: UINT8 [H, W], >= 128 = fill; None: the server finds what is to change.
        protect: UINT8 [H, W], >= 128 = never filled, or None.
        prompt: what to fill with or None.

    Raises:
        PawfectError: INVALID_ARG as `inpaint_tensors`.
    """
    if mask is not None:
        return inpaint_tensors(image, mask, protect, (), prompt)
    check_picture(image, "IMAGE")
    tensors: dict[str, Array] = {"IMAGE": image}
    if protect is not None:
        check_plane(protect, "PROTECT", image.shape[1], image.shape[0])
        tensors["PROTECT"] = protect
    return tensors | _prompt_tensor(prompt)


def _prompt_tensor(prompt: str | None) -> dict[str, Array]:
    return {} if prompt is None else {"PROMPT": text_tensor(*check_texts("PROMPT", [prompt]))}


def tensor_or_parameter(
    protect: NDArray[np.uint8] | str | None, parameters: Mapping[str, Scalar]
) -> tuple[NDArray[np.uint8] | None, Mapping[str, Scalar]]:
    """Return PROTECT and the parameters of a request: a text is the parameter of that name.

    Args:
        protect: a mask, or auto or none, or None.
        parameters: the others.
    """
    if isinstance(protect, str):
        return None, {**parameters, "protect": protect}
    return protect, parameters


def cutout_tensors(
    image: NDArray[np.uint8], background: NDArray[np.uint8] | None
) -> dict[str, Array]:
    """Return the tensors of a request of background removal by name.

    Args:
        image: UINT8 [H, W, 3] RGB.
        background: UINT8 [h, w, 3] RGB of any size that a photo may have, or None.

    Raises:
        PawfectError: INVALID_ARG for another type, dtype, rank or size.
    """
    check_picture(image, "IMAGE")
    if background is None:
        return {"IMAGE": image}
    check_picture(background, "BACKGROUND")
    return {"IMAGE": image, "BACKGROUND": background}


def check_picture(picture: Array, name: str) -> None:
    """Raise INVALID_ARG for what is no array UINT8 [H, W, 3] of a photo's size."""
    _check_array(picture, name, 3)
    if picture.shape[2] != 3:
        raise invalid(name, "UINT8 [H, W, 3]", f"{picture.dtype} {list(picture.shape)}")
    check_photo_size(picture.shape[0], picture.shape[1], name)


def _check_array(array: object, name: str, rank: int) -> None:
    expected = f"a UINT8 array [{'H, W, 3' if rank == 3 else 'H, W'}]"
    if not isinstance(array, np.ndarray):
        raise invalid(name, expected, "nothing" if array is None else type(array).__name__)
    if array.dtype != np.uint8 or array.ndim != rank:
        raise invalid(name, expected, f"{array.dtype} {list(array.shape)}")


def check_plane(plane: Array, name: str, width: int, height: int) -> None:
    """Raise INVALID_ARG for what is no array UINT8 [H, W] of the photo's size."""
    _check_array(plane, name, 2)
    if plane.shape != (height, width):
        raise invalid(
            name, f"the image's size {width}x{height}", f"{plane.shape[1]}x{plane.shape[0]}"
        )


def _check_holes(mask: NDArray[np.uint8]) -> None:
    highest, lowest = int(mask.max()), int(mask.min())
    if highest < MASK_THRESHOLD:
        raise invalid("MASK", f"some pixels >= {MASK_THRESHOLD} (to fill)", f"none above {highest}")
    if lowest >= MASK_THRESHOLD:
        raise invalid("MASK", f"some pixels < {MASK_THRESHOLD} (to keep)", f"none below {lowest}")
