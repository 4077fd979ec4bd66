"""What commands on pictures share: who does the work, and how a command ends that failed."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click

from pawfect.contract.cutout import CutoutReport
from pawfect.contract.errors import TABLE, ErrorKind, PawfectError, printable
from pawfect.contract.parameters import Scalar
from pawfect.contract.refine_report import RefineReport
from pawfect.contract.report import Report
from pawfect.photo.formats import FORMAT_NAMES
from pawfect.photo.photo import load_photo
from pawfect_client.base import Image
from pawfect_client.client import PawfectClient
from pawfect_client.folder import IN_FLIGHT, MOST_IN_FLIGHT
from pawfect_client.local import LocalClient
from pawfect_client.retry import RetryPolicy
from pawfect_client.wire import DEFAULT_URL

# Someone waits at the terminal: about a second and a half, then the message that no server is
# there.
_RETRY: Final = RetryPolicy(attempts=3)
# Whether it can be read shows when it is: a check of click's own would exit as for wrong usage.
FILE: Final = click.Path(path_type=Path, readable=False)

Command = TypeVar("Command", bound=Callable[..., Any])
Answer = TypeVar("Answer")
# What does the work of a command.
Client = PawfectClient | LocalClient

_SERVER: Final = (
    click.option(
        "--url",
        metavar="HOST:PORT",
        help=f"Of the server; https://HOST of one behind TLS.  [default: {DEFAULT_URL}]",
    ),
    click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Longest wait.  [default: the deadline and 30 s]",
    ),
)
local_option: Final = click.option(
    "--local", is_flag=True, help="Work in this process, without a server."
)
format_option: Final = click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMAT_NAMES), case_sensitive=False),
    help="Format of the result.  [default: by the name's ending]",
)
parameters_option: Final = click.option(
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other parameter, such as engine=patch or deadline_ms=60000.",
)
report_option: Final = click.option("--report", type=FILE, help="Write the report there, as JSON.")
stream_option: Final = click.option("--stream", is_flag=True, help="Show progress while it works.")
quiet_option: Final = click.option("--quiet", is_flag=True, help="Say nothing when all is well.")
_WHERE: Final = (
    *_SERVER,
    local_option,
    click.option(
        "--in-flight",
        type=click.IntRange(1, MOST_IN_FLIGHT),
        default=IN_FLIGHT,
        show_default=True,
        help="Pictures of a folder that are worked at at a time.",
    ),
    quiet_option,
)


def where_options(command: Command) -> Command:
    """Give a command --url, --timeout, --local, --in-flight and --quiet."""
    return _with(_WHERE, command)


def server_options(command: Command) -> Command:
    """Give a command --url and --timeout."""
    return _with(_SERVER, command)


def one_photo_options(command: Command) -> Command:
    """Give a command --url, --timeout and --local."""
    return _with((*_SERVER, local_option), command)


def _with(options: tuple[Callable[[Command], Command], ...], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def asked_now(url: str | None, timeout_s: float | None) -> PawfectClient:
    """Return a client for someone who waits at the terminal; arguments as in `connected`."""
    return PawfectClient(url or DEFAULT_URL, timeout_s=timeout_s, retry=_RETRY)


def connected(
    url: str | None, timeout_s: float | None, *, local: bool, of_folder: bool
) -> PawfectClient | LocalClient:
    """Return what does the work.

    Args:
        url: of the server; None: the usual one.
        timeout_s: longest wait for one request, s, or None.
        local: whether it is done in this process.
        of_folder: whether a folder is worked at: patiently, once a server has answered.

    Raises:
        click.UsageError: a server and --local.
        PawfectError: INVALID_ARG for another url, UNAVAILABLE where a folder's server is not there.
    """
    if local:
        if timeout_s is not None or url is not None:
            raise click.UsageError("--url and --timeout: expected a server, got --local")
        return LocalClient()
    if not of_folder:
        return asked_now(url, timeout_s)
    # Where there is no server, one message says so, not one for each picture.
    with PawfectClient(url or DEFAULT_URL, retry=_RETRY) as first:
        first.probe()
    return PawfectClient(url or DEFAULT_URL, timeout_s=timeout_s)


def answer_of(
    photo: Path,
    ask: Callable[[Client, Image, dict[str, Scalar]], Answer],
    given: Mapping[str, Scalar | None],
    *,
    url: str | None,
    timeout_s: float | None,
    local: bool,
) -> Answer:
    """Ask about one photo; end the command where that fails or is interrupted.

    Args:
        photo: a file.
        ask: takes what does the work, the photo UINT8 [H, W, 3] RGB, and parameters.
        given: the parameters; None: left out.
        url: as in `connected`.
        timeout_s: likewise.
        local: likewise.
    """
    # Pillow's warnings about odd metadata are nothing that someone at a terminal can act on.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    parameters = {name: value for name, value in given.items() if value is not None}
    try:
        with connected(url, timeout_s, local=local, of_folder=False) as client:
            return ask(client, load_photo(photo).pixels, parameters)
    except PawfectError as error:
        leave(error.kind, error.message)
    except KeyboardInterrupt:
        leave(ErrorKind.CANCELLED, "interrupted")


def leave(kind: ErrorKind, message: str) -> NoReturn:
    """Say what went wrong and exit with its code."""
    click.echo(f"pawfect: {TABLE[kind].meaning}: {printable(message)}", err=True)
    sys.exit(TABLE[kind].exit_code)


def pretty(report: Report | CutoutReport | RefineReport) -> bytes:
    """Return a report as the file that --report writes."""
    return json.dumps(asdict(report), ensure_ascii=False, indent=2).encode() + b"\n"
