"""`pawfect swap`: a search over swaps of one face, for one photo."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any, Final

import click

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import MASK_IS, MaskFileParams
from pawfect_client.candidate_search import swap_parameters
from pawfect_client.search.asked import Asked
from pawfect_client.search.command_run import make_folder, run_shown
from pawfect_client.search.options import parameters_of, swap_options
from pawfect_client.search.tasks import task_of_photo
from pawfect_client.terminal import (
    FILE,
    connected,
    leave,
    one_photo_options,
    parameters_option,
    quiet_option,
)

_REFUSED: Final = (
    "--consent: expected it, by which you say that everybody whose face is seen in PHOTO or shown "
    "in CHARACTER agrees to this swap (for a child its parents do); got none, and nothing was sent"
)


@click.command(epilog="Weights, licences and lawful use: docs/swap.md.")
@click.argument("photo", type=FILE)
@click.argument("character", type=FILE)
@click.option("--mask", type=FILE, help="The face nearest to it.  [default: the surest]")
@click.option(
    "--output-dir", "-o", "out", required=True, type=FILE, help="Gets a folder for the photo."
)
@swap_options
@parameters_option
@click.option("--prompt", help="How to refine the face, in place of the model's own words.")
@click.option("--mask-is", type=click.Choice(MASK_IS), help="What marks the face in the mask.")
@click.option("--invert-mask", is_flag=True, help="The face is what the mask keeps.")
@click.option("--fit-mask", is_flag=True, help="Scale a mask of the photo's shape to its size.")
@one_photo_options
@click.option("--log", type=FILE, help="Add a line there for each candidate.")
@quiet_option
def swap(
    photo: Path,
    character: Path,
    mask: Path | None,
    out: Path,
    params: tuple[str, ...],
    prompt: str | None,
    mask_is: str | None,
    invert_mask: bool,
    fit_mask: bool,
    url: str | None,
    timeout_s: float | None,
    local: bool,
    log: Path | None,
    quiet: bool,
    **own: Any,
) -> None:
    """Put the face of CHARACTER in the place of one in PHOTO, and keep the best of many tries.

    It needs --consent. The two pictures, the mask and the caller's name go to the server, and no
    further without --remote. The photo's folder holds the result, every candidate, metrics.json and
    page.html; each picture says in its metadata that a network made part of it. The same command
    goes on where it was interrupted.
    """
    given = parameters_of(params, own)
    # Pillow's warnings about odd metadata are nothing that someone at a terminal can act on.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        if not given.pop("consent", False):
            raise PawfectError(ErrorKind.INVALID_ARG, _REFUSED)
        asked = Asked(
            swap_parameters(given, consent=True, caller=None),
            prompt,
            reading=MaskFileParams(mask_is, invert_mask, fit_mask),
        )
        # What the service would refuse is said before a picture is read.
        asked.planned()
        make_folder(out)
        task = task_of_photo(photo, mask, character, character.stem)
        with connected(url, timeout_s, local=local, of_folder=False) as client:
            code = run_shown(client, [task], out, asked, None, log, quiet=quiet)
    except PawfectError as error:
        leave(error.kind, error.message)
    except (KeyboardInterrupt, click.Abort):
        leave(ErrorKind.CANCELLED, "interrupted")
    sys.exit(code)
