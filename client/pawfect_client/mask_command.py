"""`pawfect mask`: what words name in a photo, as a mask's file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import click

from pawfect.contract.errors import ErrorKind, PawfectError, invalid, printable
from pawfect.photo.photo import load_photo
from pawfect.photo.saving import check_writable, plain_png, write_atomically
from pawfect_client.finding import joined
from pawfect_client.removal import find_each
from pawfect_client.terminal import FILE, asked_now, leave, quiet_option, server_options

LEAST_SCORE: Final = click.FloatRange(0, 1)


@click.command()
@click.argument("photo", type=FILE)
@click.option(
    "--find",
    "phrases",
    multiple=True,
    required=True,
    metavar="WORDS",
    help="What to find, in English, such as leash; several become one mask.",
)
@click.option("--out", required=True, type=FILE, help="The mask: a PNG, white = found.")
@click.option(
    "--least-score", type=LEAST_SCORE, help="How sure to be of what is found.  [default: 0.3]"
)
@server_options
@quiet_option
def mask(
    photo: Path,
    phrases: tuple[str, ...],
    out: Path,
    least_score: float | None,
    url: str | None,
    timeout_s: float | None,
    quiet: bool,
) -> None:
    """Write a mask of what words name in PHOTO, for `pawfect inpaint`.

    Each find is said with its score and area. Words that find nothing, or over 95 % of the photo,
    are an error, and nothing is written. It needs a server with SAM3.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        if out.suffix.lower() != ".png":
            raise invalid("out", "a name ending in .png", printable(out.name))
        check_writable(out)
        loaded = load_photo(photo)
        with asked_now(url, timeout_s) as client:
            finds = find_each(client.find_masks, loaded, phrases, least_score)
        write_atomically(out, plain_png(joined(finds)))
    except PawfectError as error:
        leave(error.kind, error.message)
    except KeyboardInterrupt:
        leave(ErrorKind.CANCELLED, "interrupted")
    if not quiet:
        for find in finds:
            click.echo(printable(str(find)))
