"""The `pawfect` command; its sub-commands are found where their parts registered them."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Final

import click

from pawfect import __version__

COMMANDS = "pawfect.commands"


class _LazyGroup(click.Group):
    """Commands from entry points, each imported when it runs: a client needs no server packages."""

    def _points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=COMMANDS)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._points())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        point = self._points().get(cmd_name)
        if point is None:
            return None
        try:
            loaded = point.load()
        except ModuleNotFoundError as error:
            return _missing(cmd_name, error)
        if not isinstance(loaded, click.Command):
            raise TypeError(f"{point.value}: expected a click command, got {type(loaded).__name__}")
        return loaded


# How what a command needs beyond the server's packages is installed.
_MENDED: Final = {
    "api": "pip install 'pawfect[sessions]'",
    "audit": "it runs in the source tree alone, after `make setup-perf`",
    "cutout": "pip install 'pawfect[client]'",
    "inpaint": "pip install 'pawfect[client]'",
    "search": "pip install 'pawfect[client]'",
    "variants": "pip install 'pawfect[sessions]'",
    "weights": "pip install 'pawfect[neural]'",
    "worker": "pip install 'pawfect[sessions]'",
}


def _missing(name: str, error: ModuleNotFoundError) -> click.Command:
    """Return a command that says which package it lacks."""
    mended = _MENDED.get(name, "pip install 'pawfect[server]'")

    @click.command(name, help=f"(needs {error.name}: {mended})")
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def complain(arguments: tuple[str, ...]) -> None:
        raise click.ClickException(f"{name} needs the package {error.name}: {mended}")

    complain.ignore_unknown_options = True
    return complain


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pawfect")
def main() -> None:
    """Remove what does not belong in a pet photo."""
