"""`pawfect search`: the best of many fills, for one photo or for the tasks of a file."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from pawfect.contract.errors import ErrorKind, PawfectError, printable
from pawfect.contract.parameters import MASK_IS, MaskFileParams
from pawfect.photo.image_file import MAX_FILE_BYTES
from pawfect_client.search.arguments import GIVEN, SearchCommand
from pawfect_client.search.asked import Asked
from pawfect_client.search.command_run import make_folder, run_shown
from pawfect_client.search.fetching import MIB, MOST_MIB, MOST_SECONDS, Bounds
from pawfect_client.search.options import parameters_of, search_options
from pawfect_client.search.pictures import CACHE, PictureFiles
from pawfect_client.search.push import PushTarget
from pawfect_client.search.tasks import BrokenTask, Task, read_keys, read_tasks, task_of_photo
from pawfect_client.search.tmux import TmuxError, start_session
from pawfect_client.terminal import FILE, connected, leave, parameters_option, quiet_option
from pawfect_client.wire import DEFAULT_URL

# Longest time for one picture, s: 1 GiB at 2.5 Mbit/s.
_MOST_FETCH_S: Final = 3600
_ABOVE_0: Final = click.FloatRange(min=0, min_open=True)


@click.command(cls=SearchCommand, epilog="Folders, task files and going on: docs/search.md.")
@click.argument("photo", type=FILE, required=False)
@click.argument("mask", type=FILE, required=False)
@click.option("--output-dir", "out", required=True, type=FILE, help="Gets a folder for each task.")
@click.option("--reference", type=FILE, help="A picture of who the result is to show.")
@click.option("--character", metavar="NAME", help="Who that is, for edits, metrics and commits.")
@click.option("--from-file", "task_file", type=FILE, help="Tasks, as Label Studio exports them.")
@click.option(
    "--task-id", "ids", multiple=True, metavar="ID ...", help="Which of them.  [default: all]"
)
@click.option("--keys", default="", metavar="NAME=OTHER,...", help="What the file calls its keys.")
@click.option("--cache", type=FILE, default=CACHE, show_default=True, help="Of fetched pictures.")
@click.option("--allow-private", is_flag=True, help="Fetch from addresses of private networks too.")
@click.option(
    "--allow-outside", is_flag=True, help="Take files outside of the task file's folder too."
)
@click.option(
    "--fetch-mib",
    type=click.IntRange(1, MAX_FILE_BYTES // MIB),
    default=MOST_MIB,
    show_default=True,
    help="Largest picture that is fetched.",
)
@click.option(
    "--fetch-seconds",
    type=click.IntRange(1, _MOST_FETCH_S),
    default=MOST_SECONDS,
    show_default=True,
    help="For each of them.",
)
@search_options
@parameters_option
@click.option("--prompt", help="What to fill with (flux, klein, edit), or how to edit.")
@click.option("--protect", type=FILE, help="Mask of what must never be filled (the pet).")
@click.option("--mask-is", type=click.Choice(MASK_IS), help="What marks the hole.")
@click.option("--invert-mask", is_flag=True, help="Fill what the mask keeps.")
@click.option("--fit-mask", is_flag=True, help="Scale masks of the photo's shape to its size.")
@click.option(
    "--server",
    "--url",
    "url",
    metavar="HOST:PORT",
    help=f"https://HOST of one behind TLS.  [default: {DEFAULT_URL}]",
)
@click.option("--timeout", "timeout_s", type=_ABOVE_0, metavar="SECONDS", help="Longest wait.")
@click.option("--local", is_flag=True, help="Work in this process, without a server.")
@click.option("--tmux", is_flag=True, help="In a tmux session: pipeline, gpus, logs.")
@click.option("--push", metavar="[REMOTE BRANCH]", help="Commit and push results, after each task.")
@click.option("--push-tree", type=FILE, help="The git work tree that --push commits in.")
@click.option("--log", type=FILE, help="Add a line there for each candidate and task.")
@quiet_option
def search(
    photo: Path | None,
    mask: Path | None,
    out: Path,
    reference: Path | None,
    character: str | None,
    task_file: Path | None,
    ids: tuple[str, ...],
    keys: str,
    cache: Path,
    allow_private: bool,
    allow_outside: bool,
    fetch_mib: int,
    fetch_seconds: int,
    params: tuple[str, ...],
    prompt: str | None,
    protect: Path | None,
    mask_is: str | None,
    invert_mask: bool,
    fit_mask: bool,
    url: str | None,
    timeout_s: float | None,
    local: bool,
    tmux: bool,
    push: str | None,
    push_tree: Path | None,
    log: Path | None,
    quiet: bool,
    **own: Any,
) -> None:
    """Fill or edit what MASK covers in PHOTO in many ways, and keep the best.

    In place of PHOTO and MASK, --from-file names a file of tasks. Each task's folder holds the
    result, every candidate, metrics.json and page.html. The same command goes on where it was
    interrupted.
    """
    parameters = parameters_of(params, own)
    target = _target(push, push_tree)
    # Pillow's warnings about odd metadata are nothing that someone at a terminal can act on.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    bounds = Bounds(fetch_mib * MIB, fetch_seconds, allow_private)
    asked = Asked(
        parameters,
        prompt,
        protect,
        MaskFileParams(mask_is, invert_mask, fit_mask),
        PictureFiles(cache, bounds),
    )
    try:
        # What the service would refuse is said before a picture is fetched.
        asked.planned()
        given = (photo, mask, reference, character)
        tasks = _tasks(*given, task_file, ids, keys, outside=allow_outside)
        make_folder(out)
        if tmux and _in_tmux(out, log, quiet=quiet):
            return
        with connected(url, timeout_s, local=local, of_folder=len(tasks) > 1) as client:
            code = run_shown(client, tasks, out, asked, target, log, quiet=quiet)
    except PawfectError as error:
        leave(error.kind, error.message)
    except (KeyboardInterrupt, click.Abort):
        leave(ErrorKind.CANCELLED, "interrupted")
    sys.exit(code)


def _tasks(
    photo: Path | None,
    mask: Path | None,
    reference: Path | None,
    character: str | None,
    task_file: Path | None,
    ids: Sequence[str],
    keys: str,
    *,
    outside: bool,
) -> Sequence[Task | BrokenTask]:
    """Return what is to be searched; a usage error where it is said in two ways, or in none."""
    if task_file is None:
        if ids or keys:
            raise click.UsageError("--task-id and --keys: expected --from-file too, got none")
        if photo is None or mask is None:
            raise click.UsageError("Missing arguments 'PHOTO' and 'MASK', or --from-file.")
        return [task_of_photo(photo, mask, reference, character)]
    if photo is not None or reference is not None or character is not None:
        raise click.UsageError(
            "--from-file: expected it in place of PHOTO, MASK, --reference and --character"
        )
    return read_tasks(task_file, read_keys(keys), ids, outside=outside)


def _target(push: str | None, tree: Path | None) -> PushTarget | None:
    if push is None:
        if tree is not None:
            raise click.UsageError("--push-tree: expected --push too, got none")
        return None
    if tree is None:
        raise click.UsageError("--push: expected --push-tree too, the work tree to commit in")
    words = push.split()
    if len(words) not in (0, 2):
        raise click.UsageError("--push: expected a remote and a branch, or neither")
    return PushTarget(tree, *words)


def _in_tmux(out: Path, log: Path | None, *, quiet: bool) -> bool:
    """Start this command anew in tmux; False where that cannot be, after a warning."""
    given: Sequence[str] = click.get_current_context().meta[GIVEN]
    arguments = [word for word in given if word != "--tmux"]
    try:
        attach = start_session(out, log, arguments)
    except TmuxError as error:
        click.echo(printable(f"pawfect: --tmux: {error}; it runs here"), err=True)
        return False
    if not quiet:
        click.echo(attach)
    return True
