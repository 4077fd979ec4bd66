"""`pawfect refine`: a repair of a finished picture, from files to a file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console

from pawfect.contract.errors import ErrorKind, PawfectError, printable
from pawfect.contract.parameters import Scalar
from pawfect.contract.refine import CREATIVITY, TYPES, RefineParams
from pawfect.photo.formats import FORMAT_NAMES, FORMAT_OF_SUFFIX
from pawfect.photo.saving import check_writable, write_atomically
from pawfect_client.parameter_option import read_parameters
from pawfect_client.progress import streaming
from pawfect_client.refine_file import RefinedFile, RefineFileRequest, refine_file
from pawfect_client.results import Refined
from pawfect_client.terminal import (
    FILE,
    connected,
    format_option,
    leave,
    local_option,
    parameters_option,
    pretty,
    quiet_option,
    report_option,
    server_options,
    stream_option,
)


@click.command(epilog="Payloads are described in docs/refine.md.")
@click.argument("photo", type=FILE)
@click.option("--type", "kind", required=True, type=click.Choice(TYPES), help="Kind of repair.")
@click.option("--payload", required=True, type=FILE, help="What is to be done, JSON.")
@click.option("--out", required=True, type=FILE, help=f"Result: {', '.join(FORMAT_OF_SUFFIX)}.")
@click.option(
    "--mask",
    "masks",
    multiple=True,
    type=FILE,
    help="Of region: the payload's masks, 0 first; of subject and general: what may change.",
)
@click.option(
    "--reference",
    "references",
    type=FILE,
    multiple=True,
    help="Of subject: a picture of what it looks like; up to eight times.",
)
@click.option("--protect", type=FILE, help="Mask of what must never change.")
@click.option(
    "--creativity",
    type=click.IntRange(*CREATIVITY),
    help="1: close to what is there, 3: free.  [default: 2]",
)
@click.option("--seed", type=int, help="Same request and seed: same pixels.  [default: 0]")
@click.option("--remote", is_flag=True, help="The picture may leave the server for an engine.")
@parameters_option
@format_option
@click.option("--quality", type=click.IntRange(1, 100), help="Of a JPEG, WebP or AVIF.")
@report_option
@stream_option
@server_options
@local_option
@quiet_option
def refine(
    photo: Path,
    kind: str,
    payload: Path,
    out: Path,
    masks: tuple[Path, ...],
    references: tuple[Path, ...],
    protect: Path | None,
    creativity: int | None,
    seed: int | None,
    remote: bool,
    params: tuple[str, ...],
    format_name: str | None,
    quality: int | None,
    report: Path | None,
    stream: bool,
    url: str | None,
    timeout_s: float | None,
    local: bool,
    quiet: bool,
) -> None:
    """Repair PHOTO: its subject, texts in it, regions of it, or all of it.

    Subject and general need a model that edits by words. Where the server has none, with --remote
    the picture may be sent to the engine that its operator has set up; without it no pixel leaves
    the server.
    """
    own = {"creativity": creativity, "seed": seed, "remote": remote or None}
    parameters = _parameters(params, own)
    # Pillow's warnings about odd metadata are nothing that someone at a terminal can act on.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        kind_of_file = FORMAT_NAMES[format_name] if format_name else None
        asked = RefineFileRequest(
            kind, payload, masks, references, protect, kind_of_file, quality, parameters
        )
        if report is not None:
            check_writable(report)
        with connected(url, timeout_s, local=local, of_folder=False) as client:
            shown = streaming(client.refine_stream, Console(stderr=True), Refined)
            work = shown if stream and not quiet else client.refine
            refined = refine_file(work, photo, out, asked)
        if report is not None:
            write_atomically(report, pretty(refined.report))
    except PawfectError as error:
        leave(error.kind, error.message)
    except (KeyboardInterrupt, click.Abort):
        leave(ErrorKind.CANCELLED, "interrupted")
    if not quiet:
        click.echo(printable("; ".join(_summary(out, refined))))


def _parameters(params: tuple[str, ...], own: dict[str, int | bool | None]) -> dict[str, Scalar]:
    """Return the request's parameters; a usage error for one that is given both ways."""
    parameters = read_parameters(params, RefineParams)
    for name, value in own.items():
        if value is None:
            continue
        if name in parameters:
            raise click.UsageError(f"--{name} and --param {name}: expected one of them, got both")
        parameters[name] = value
    return parameters


def _summary(out: Path, refined: RefinedFile) -> Iterator[str]:
    report = refined.report
    size = f"{report.width}x{report.height}"
    how = f"{report.type} by {report.engine} in {report.total_ms / 1000:.1f} s"
    yield f"{out}: {size}, {report.changed_px} px changed, {how}, seed {report.seed}"
    if report.changes:
        yield f"{report.changes.share:.0%} of the picture changed so that it can be seen"
    if refined.lost:
        yield f"not in this format: {', '.join(refined.lost)}"
    unset = [f"{it.text!r} ({it.note})" for it in report.corrections if not it.tries]
    if unset:
        yield f"not set: {', '.join(unset)}"
    set_ones = [it for it in report.corrections if it.tries]
    unread = [f"{it.text!r} (reads {it.read!r})" for it in set_ones if not it.exact]
    if unread:
        yield f"not read back as it should be: {', '.join(unread)}"
    yield from report.notes
    fallbacks = ", ".join(entry.stage for entry in report.fallbacks)
    if fallbacks:
        yield f"fallbacks: {fallbacks}"
