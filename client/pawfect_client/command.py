"""`pawfect inpaint`: from files to a file."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from pawfect.contract.errors import TABLE, ErrorKind, PawfectError
from pawfect.contract.parameters import MASK_IS, MaskFileParams
from pawfect.contract.report import Report
from pawfect.photo.formats import FORMAT_NAMES, FORMAT_OF_SUFFIX
from pawfect.photo.mask_file import load_mask_file, load_protect
from pawfect.photo.photo import load_photo
from pawfect.photo.saving import (
    check_format,
    check_quality,
    check_writable,
    losses,
    output_format,
    save_photo,
    write_atomically,
)
from pawfect_client.client import PawfectClient
from pawfect_client.parameter_option import read_parameters
from pawfect_client.photos import inpaint_photo
from pawfect_client.progress import shown_progress
from pawfect_client.results import Done, Inpainted, StageEvent
from pawfect_client.retry import RetryPolicy
from pawfect_client.summary import summary
from pawfect_client.wire import DEFAULT_URL

# Someone waits at the terminal: about a second and a half, then the message that no server is
# there.
_RETRY: Final = RetryPolicy(attempts=3)
_FILE: Final = click.Path(path_type=Path)


@click.command()
@click.argument("photo", type=_FILE)
@click.argument("mask", type=_FILE)
@click.option("--out", required=True, type=_FILE, help=f"Result: {', '.join(FORMAT_OF_SUFFIX)}.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMAT_NAMES), case_sensitive=False),
    help="Format of the result.  [default: by the name's ending]",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help="Of a JPEG, WebP or AVIF.  [default: 95, AVIF 90, WebP of a lossless photo lossless]",
)
@click.option("--report", type=_FILE, help="Write the report there, as JSON.")
@click.option("--stream", is_flag=True, help="Show progress while it works.")
@click.option("--seed", type=int, help="Same photo, mask and seed: same pixels.  [default: 0]")
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other parameter, such as engine=patch or deadline_ms=60000.",
)
@click.option(
    "--mask-is",
    type=click.Choice(MASK_IS),
    help="What marks the hole.  [default: white, or the smaller side of one colour]",
)
@click.option("--invert-mask", is_flag=True, help="Fill what the mask keeps.")
@click.option("--fit-mask", is_flag=True, help="Scale masks of the photo's shape to its size.")
@click.option("--protect", type=_FILE, help="Mask of what must never be filled (the pet).")
@click.option("--label", "labels", multiple=True, help="What surrounds the hole, such as grass.")
@click.option("--prompt", help="What to fill with (FLUX).")
@click.option("--url", default=DEFAULT_URL, show_default=True, metavar="HOST:PORT")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Longest wait.  [default: the deadline and 30 s]",
)
@click.option("--quiet", is_flag=True, help="Say nothing when all is well.")
def inpaint(
    photo: Path,
    mask: Path,
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
    url: str,
    timeout_s: float | None,
    quiet: bool,
) -> None:
    """Fill what MASK covers in PHOTO.

    MASK is white where to fill and black where to keep, or painted in one colour on a transparent
    ground, or erased from one; --mask-is names other kinds. It has the size of the upright photo.
    """
    parameters = read_parameters(params if seed is None else (*params, f"seed={seed}"))
    # Pillow's warnings about odd metadata are nothing that someone at a terminal can act on.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        kind = FORMAT_NAMES[format_name] if format_name else output_format(out)
        for target in (out, report):
            if target is not None:
                check_writable(target)
        loaded = load_photo(photo)
        check_format(loaded, kind, out.name)
        check_quality(quality, kind)
        read = load_mask_file(mask, loaded, MaskFileParams(mask_is, invert_mask, fit_mask))
        guard = load_protect(protect, loaded, fit_mask=fit_mask) if protect else None
        request: dict[str, Any] = {"scene_labels": labels, "prompt": prompt, **parameters}
        with PawfectClient(url, timeout_s=timeout_s, retry=_RETRY) as client:
            fill = _streaming(client) if stream and not quiet else client.inpaint
            filled, told = inpaint_photo(fill, loaded, read.mask, guard, request)
        save_photo(filled, out, kind, quality)
        if report is not None:
            write_atomically(report, _pretty(told).encode())
    except PawfectError as error:
        _leave(error.kind, error.message)
    except KeyboardInterrupt:
        _leave(ErrorKind.CANCELLED, "interrupted")
    if not quiet:
        click.echo(summary(out, told, read.note, parameters, losses(loaded, kind)))


def _streaming(client: PawfectClient) -> Callable[..., Inpainted]:
    """Return what fills as `client.inpaint` does and shows how far it is."""

    def fill(*args: Any, **request: Any) -> Inpainted:
        return _shown(client.inpaint_stream(*args, **request))

    return fill


def _shown(events: Iterable[StageEvent | Done]) -> Inpainted:
    """Show a stream's stages; return its result."""
    with shown_progress(Console(stderr=True)) as show:
        for event in events:
            if isinstance(event, Done):
                show(StageEvent("done", 1.0))
                return event
            show(event)
    raise AssertionError("a stream ends with Done or raises")


def _leave(kind: ErrorKind, message: str) -> None:
    """Say what went wrong and exit with its code."""
    click.echo(f"pawfect: {TABLE[kind].meaning}: {message}", err=True)
    sys.exit(TABLE[kind].exit_code)


def _pretty(report: Report) -> str:
    return json.dumps(asdict(report), ensure_ascii=False, indent=2) + "\n"
