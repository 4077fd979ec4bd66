"""`pawfect inpaint`: from files to a file, or from folders to a folder."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pawfect.contract.errors import ErrorKind, PawfectError, printable
from pawfect.contract.parameters import MASK_IS, MaskFileParams
from pawfect.photo.formats import FORMAT_NAMES, FORMAT_OF_SUFFIX
from pawfect.photo.photo import Photo
from pawfect.photo.saving import check_writable, write_atomically
from pawfect_client.client import PawfectClient
from pawfect_client.folder_filling import inpaint_folder
from pawfect_client.mask_command import LEAST_SCORE
from pawfect_client.mask_names import PATTERNS
from pawfect_client.one_file import FileRequest, HoleOf, fill_file
from pawfect_client.parameter_option import read_parameters
from pawfect_client.progress import streaming
from pawfect_client.removal import check_can_ask, find_each, hole_of
from pawfect_client.results import Done
from pawfect_client.summary import summary
from pawfect_client.terminal import (
    FILE,
    connected,
    format_option,
    leave,
    parameters_option,
    pretty,
    report_option,
    stream_option,
    where_options,
)


@click.command(epilog=f"In a folder the mask of dog.jpg is called {PATTERNS}.")
@click.argument("photo", type=FILE)
@click.argument("mask", type=FILE, required=False)
@click.option(
    "--remove",
    "phrases",
    multiple=True,
    metavar="WORDS",
    help="In place of MASK: what to remove, such as leash; needs a server with SAM3.",
)
@click.option("--yes", is_flag=True, help="Remove what --remove finds without a question.")
@click.option(
    "--least-score", type=LEAST_SCORE, help="How sure to be of what is found.  [default: 0.3]"
)
@click.option("--out", required=True, type=FILE, help=f"Result: {', '.join(FORMAT_OF_SUFFIX)}.")
@format_option
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help="Of a JPEG, WebP or AVIF.  [default: 95, AVIF 90, WebP of a lossless photo lossless]",
)
@report_option
@stream_option
@click.option("--seed", type=int, help="Same photo, mask and seed: same pixels.  [default: 0]")
@parameters_option
@click.option(
    "--mask-is",
    type=click.Choice(MASK_IS),
    help="What marks the hole.  [default: white, or the smaller side of one colour]",
)
@click.option("--invert-mask", is_flag=True, help="Fill what the mask keeps.")
@click.option("--fit-mask", is_flag=True, help="Scale masks of the photo's shape to its size.")
@click.option("--protect", type=FILE, help="Mask of what must never be filled (the pet).")
@click.option("--label", "labels", multiple=True, help="What surrounds the hole, such as grass.")
@click.option("--prompt", help="What to fill with (flux, klein, edit).")
@where_options
def inpaint(
    photo: Path,
    mask: Path | None,
    phrases: tuple[str, ...],
    yes: bool,
    least_score: float | None,
    out: Path,
    format_name: str | None,
    quality: int | None,
    report: Path | None,
    stream: bool,
    seed: int | None,
    params: tuple[str, ...],
    mask_is: str | None,
    invert_mask: bool,
    fit_mask: bool,
    protect: Path | None,
    labels: tuple[str, ...],
    prompt: str | None,
    url: str | None,
    timeout_s: float | None,
    local: bool,
    in_flight: int,
    quiet: bool,
) -> None:
    """Fill what MASK covers in PHOTO.

    MASK is white where to fill and black where to keep, or painted in one colour on a transparent
    ground, or erased from one; --mask-is names other kinds. It has the size of the upright photo.

    PHOTO may be a folder, MASK then is the folder of its masks, and --out that of the results.

    With --remove words say what to fill. What they find is said with its score and area, and asked
    about on a terminal; without one --yes is needed.
    """
    parameters = read_parameters(params if seed is None else (*params, f"seed={seed}"))
    of_folder = os.path.isdir(photo)
    if of_folder and (stream or report or protect):
        raise click.UsageError("--stream, --report and --protect: expected a photo, got a folder")
    if phrases:
        _check_removal(mask, of_folder, local, yes=yes, read=mask_is is not None or invert_mask)
    elif mask is None:
        raise click.UsageError("Missing argument 'MASK', or --remove in its place.")
    elif yes or least_score is not None:
        raise click.UsageError("--yes and --least-score: expected --remove, got none")
    # Pillow's warnings about odd metadata are nothing that someone at a terminal can act on.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        asked = FileRequest(
            FORMAT_NAMES[format_name] if format_name else None,
            quality,
            MaskFileParams(mask_is, invert_mask, fit_mask),
            {"scene_labels": labels, "prompt": prompt, **parameters},
        )
        if report is not None:
            check_writable(report)
        with connected(url, timeout_s, local=local, of_folder=of_folder) as client:
            hole: Path | HoleOf
            if mask is not None:
                hole = mask
            else:
                assert isinstance(client, PawfectClient)
                hole = _hole_by_words(client, phrases, least_score, yes=yes, quiet=quiet)
            if of_folder:
                assert isinstance(hole, Path)
                sys.exit(
                    inpaint_folder(
                        client, photo, hole, out, asked, in_flight=in_flight, quiet=quiet
                    )
                )
            shown = stream and not quiet
            show = streaming(client.inpaint_stream, Console(stderr=True), Done)
            filled = fill_file(show if shown else client.inpaint, photo, hole, out, asked, protect)
        if report is not None:
            write_atomically(report, pretty(filled.report))
    except PawfectError as error:
        leave(error.kind, error.message)
    except (KeyboardInterrupt, click.Abort):
        leave(ErrorKind.CANCELLED, "interrupted")
    if not quiet:
        click.echo(printable(summary(out, filled, parameters)))


def _check_removal(
    mask: Path | None, of_folder: bool, local: bool, *, yes: bool, read: bool
) -> None:
    """Raise a usage error where --remove goes with something that it cannot go with."""
    if mask is not None or read:
        got = "MASK" if mask is not None else "--mask-is or --invert-mask"
        raise click.UsageError(f"--remove: expected it in place of a mask, got {got} too")
    if of_folder or local:
        got = "a folder" if of_folder else "--local"
        raise click.UsageError(f"--remove: expected one photo and a server, got {got}")
    check_can_ask(yes=yes)


def _hole_by_words(
    client: PawfectClient,
    phrases: tuple[str, ...],
    least_score: float | None,
    *,
    yes: bool,
    quiet: bool,
) -> HoleOf:
    """Return what finds the hole in a photo, and asks whether it is meant."""

    def find(photo: Photo) -> NDArray[np.uint8]:
        finds = find_each(client.find_masks, photo, phrases, least_score)
        return hole_of(finds, ask=not yes, quiet=quiet)

    return find
