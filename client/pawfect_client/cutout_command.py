"""`pawfect cutout`: the subject of a photo, or of each of a folder's, without its background."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from pawfect.contract.cutout import EDGES, PRESETS, CutoutParams
from pawfect.contract.errors import ErrorKind, PawfectError, printable
from pawfect.contract.parameters import Scalar
from pawfect.photo.formats import FORMAT_NAMES, FORMAT_OF_SUFFIX
from pawfect.photo.saving import check_writable, write_atomically
from pawfect_client.cut_file import CutFileRequest, cut_file, load_background
from pawfect_client.cut_summary import cut_summary
from pawfect_client.folder_cutting import cutout_folder
from pawfect_client.parameter_option import read_parameters
from pawfect_client.terminal import FILE, connected, leave, pretty, report_option, where_options

# What `--background` says without a file; a file of such a name is ./green.
_NAMED: Final = ("green", "white", "blur")


@click.command()
@click.argument("photo", type=FILE)
@click.option("--out", required=True, type=FILE, help=f"Result: {', '.join(FORMAT_OF_SUFFIX)}.")
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    help="Network, size and edges as one choice, by rising quality and time.",
)
@click.option(
    "--background",
    metavar="FILE|COLOUR",
    help="What the subject is laid on: a picture, #rrggbb, green, white, or blur for the photo's "
    "own, blurred.  [default: nothing, the rest is transparent]",
)
@click.option("--network", help="Which network looks, such as u2netp.")
@click.option("--size", help="Side in px at which it looks, or auto: by the photo's own.")
@click.option("--edges", type=click.Choice(EDGES), help="What is done for fur and whiskers.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Hard edges: all above it is the subject, nothing below.",
)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other parameter, such as resize=dynamic or output=map.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMAT_NAMES), case_sensitive=False),
    help="Format of the result.  [default: by the name's ending; of a folder's PNG, or on a "
    "background the photo's own]",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help="Of a JPEG, WebP or AVIF.  [default: 95, AVIF 90, WebP of a lossless photo lossless]",
)
@report_option
@where_options
def cutout(
    photo: Path,
    out: Path,
    preset: str | None,
    background: str | None,
    network: str | None,
    size: str | None,
    edges: str | None,
    threshold: float | None,
    params: tuple[str, ...],
    format_name: str | None,
    quality: int | None,
    report: Path | None,
    url: str | None,
    timeout_s: float | None,
    local: bool,
    in_flight: int,
    quiet: bool,
) -> None:
    """Cut the subject out of PHOTO: a pet, a person, whatever it shows.

    PHOTO may be a folder, and --out then is that of the results. Where there is no subject, the
    result is empty and the last line says so; that is no error.
    """
    own = {
        "preset": preset,
        "network": network,
        "size": size,
        "edges": edges,
        "threshold": threshold,
    }
    named = _ground(background)
    parameters = _parameters(params, own | {"output": named})
    of_folder = os.path.isdir(photo)
    if of_folder and report:
        raise click.UsageError("--report: expected a photo, got a folder")
    # Pillow's warnings about odd metadata are nothing that someone at a terminal can act on.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        CutoutParams.parse(parameters)
        file = background if named is None else None
        asked = CutFileRequest(
            FORMAT_NAMES[format_name] if format_name else None,
            quality,
            load_background(Path(file)) if file is not None else None,
            parameters,
        )
        if report is not None:
            check_writable(report)
        with connected(url, timeout_s, local=local, of_folder=of_folder) as client:
            if of_folder:
                sys.exit(cutout_folder(client, photo, out, asked, in_flight=in_flight, quiet=quiet))
            cut = cut_file(client.background_removal, photo, out, asked)
        if report is not None:
            write_atomically(report, pretty(cut.report))
    except PawfectError as error:
        leave(error.kind, error.message)
    except KeyboardInterrupt:
        leave(ErrorKind.CANCELLED, "interrupted")
    if not quiet:
        click.echo(printable(cut_summary(out, cut)))


def _ground(background: str | None) -> str | None:
    """Return the value of `output` that --background is; None for a picture's file, or for none."""
    if background is None or not (background in _NAMED or background.startswith("#")):
        return None
    return background


def _parameters(params: tuple[str, ...], own: Mapping[str, Scalar | None]) -> dict[str, Scalar]:
    """Return the request's parameters; wrong usage where one is given in two ways."""
    parameters = read_parameters(params, CutoutParams)
    for name, value in own.items():
        if value is not None:
            if name in parameters:
                option = "--background" if name == "output" else f"--{name}"
                raise click.UsageError(f"{name}: expected once, got {option} and --param {name}")
            parameters[name] = value
    return parameters
