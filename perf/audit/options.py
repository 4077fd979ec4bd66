"""Options of `pawfect audit`: what is audited, and which setting is approved."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from pawfect.profile import ProfileError, load_profile
from perf.audit.axes import AXES
from perf.audit.matrix import MATRICES, matrix_names

F = TypeVar("F", bound=Callable[..., Any])


def _matrix_file(context: click.Context, option: click.Parameter, given: str) -> Path:
    """Return the file of a matrix that is named, or is one."""
    if given in matrix_names():
        return MATRICES / f"{given}.toml"
    if not Path(given).is_file():
        names = ", ".join(matrix_names())
        raise click.BadParameter(f"expected a TOML file or one of {names}, got {given}")
    return Path(given)


def _prompts(
    context: click.Context, option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """Return texts by name."""
    prompts = dict(one.partition("=")[::2] for one in given)
    if len(prompts) < len(given) or not all(
        name and "=" in one for one, name in zip(given, prompts, strict=True)
    ):
        raise click.BadParameter("expected NAME=TEXT, each name once")
    return prompts


def audited(command: F) -> F:
    """Add the options that say what is audited: `matrix`, `session_folder` and `prompts`."""
    for option in (
        click.option(
            "--prompt",
            "prompts",
            multiple=True,
            callback=_prompts,
            metavar="NAME=TEXT",
            help="A text of --session's that the matrix's axis prompt names.",
        ),
        click.option(
            "--session",
            "session_folder",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Folder of a photo and a mask, perhaps protect and truth: instead of the matrix's "
            "own sessions.",
        ),
        click.option(
            "--matrix",
            required=True,
            callback=_matrix_file,
            metavar="NAME|FILE",
            help="What is tried, on what: one of perf/audit/matrices, or a TOML file.",
        ),
    ):
        command = option(command)
    return command


def chosen_engine(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say whose transformer is tried: `profile`, `engine` and `size`.

    The command gets a profile that has the engine, by default its first.
    """

    @wraps(command)
    def run(name: str, engine: str | None, **given: Any) -> None:
        try:
            profile = load_profile(name)
        except ProfileError as error:
            raise click.BadParameter(str(error), param_hint="--profile") from None
        if not profile.denoising:
            problem = f"profile {name} has no denoising engine"
            raise click.BadParameter(problem, param_hint="--profile")
        if engine not in (None, *profile.denoising):
            problem = f"expected one of {', '.join(profile.denoising)}, got {engine}"
            raise click.BadParameter(problem, param_hint="--engine")
        command(profile=profile, engine=engine or profile.denoising[0], **given)

    for option in (
        click.option(
            "--size",
            type=click.IntRange(64, 2048),
            help="Working size, px; default the least.",
        ),
        click.option("--engine", help="One of the profile's that denoise; default its first."),
        click.option("--profile", "name", default="tiny", show_default=True),
    ):
        run = option(run)
    return run


def setting_options(command: F) -> F:
    """Add an option for each axis, None where it is not given."""
    numbers = dict.fromkeys(("size", "steps", "tile_px"), int)
    kinds: dict[str, type] = {**numbers, "guidance": float, "strength": float, "references": bool}
    for axis in reversed(AXES):
        told = f"Instead of the recommended setting's {axis}."
        option = f"--{axis.replace('_', '-')}"
        command = click.option(option, type=kinds.get(axis, str), help=told)(command)
    return command


def command_line(matrix: Path, session: Path | None, out: Path) -> str:
    """Return a run's command as its report shows it; a session's report is passed on: no paths."""
    named = matrix.stem if matrix.parent == MATRICES else matrix
    if session is None:
        return f"pawfect audit run --matrix {named} --out {out}"
    return f"pawfect audit run --matrix {named} --session {session.resolve().name} --out {out.name}"
