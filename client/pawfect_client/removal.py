"""What a phrase names in a photo, said to whoever is at the terminal before anything is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, printable
from pawfect.photo.photo import Photo
from pawfect_client.finding import JOINED, Named, joined, named
from pawfect_client.results import FoundMasks

# What finds: `PawfectClient.find_masks`.
Find = Callable[..., FoundMasks]


def find_each(
    find: Find, photo: Photo, phrases: Sequence[str], least_score: float | None
) -> list[Named]:
    """Return what each phrase found in a photo.

    Args:
        find: takes an image, a phrase and parameters.
        photo: where to look.
        phrases: what for, at least one.
        least_score: how sure the model must be; None: as the server has it.

    Raises:
        PawfectError: INVALID_ARG for a phrase that finds nothing, or nearly everything; else as
            `find` does.
    """
    given: dict[str, Any] = {} if least_score is None else {"least_score": least_score}
    # One after another: the first has the server see the photo, the others find it seen.
    asked = dict.fromkeys(phrases)
    return [named(it, find(photo.pixels, it, **JOINED, **given)) for it in asked]


def hole_of(finds: Sequence[Named], *, ask: bool, quiet: bool) -> NDArray[np.uint8]:
    """Say what was found, ask whether that is meant, and return its mask, UINT8 [H, W].

    Args:
        finds: at least one.
        ask: whether to ask.
        quiet: whether nothing is said that is not asked.

    Raises:
        PawfectError: CANCELLED for a no; INVALID_ARG where all together is nearly everything.
    """
    if ask or not quiet:
        for find in finds:
            click.echo(printable(str(find)), err=True)
    mask = joined(finds)
    if ask and not click.confirm("Remove this?", err=True):
        raise PawfectError(ErrorKind.CANCELLED, "nothing was removed")
    return mask


def check_can_ask(*, yes: bool) -> None:
    """Raise a usage error where nobody can be asked and nobody said yes.

    What words find is a guess, and without a terminal nobody would see it.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError(
            "--remove: expected a terminal to ask at, or --yes to fill what is found, got neither"
        )
