"""Options of `pawfect search` that take several words, as the shell gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

_IDS: Final = "--task-id"
_PUSH: Final = "--push"
# Where a context keeps the command line as it was given.
GIVEN: Final = "pawfect.search.given"


class SearchCommand(click.Command):
    """A command whose --task-id takes any number of words, and whose --push two or none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read a command line, and keep it as it was given."""
        ctx.meta[GIVEN] = tuple(args)
        return super().parse_args(ctx, joined(args))


def joined(args: Sequence[str]) -> list[str]:
    """Return a command line on which each option has one value, or as click reads it anyway.

    `--task-id 1 2` becomes `--task-id=1 --task-id=2`, `--push origin main` `--push=origin main`.

    Raises:
        click.UsageError: --task-id without a word, or --push with one.
    """
    result: list[str] = []
    place = 0
    while place < len(args):
        option = args[place]
        place += 1
        if option == "--":
            return [*result, option, *args[place:]]
        if option not in (_IDS, _PUSH):
            result.append(option)
            continue
        most = 2 if option == _PUSH else len(args)
        words: list[str] = []
        while place < len(args) and len(words) < most and not args[place].startswith("-"):
            words.append(args[place])
            place += 1
        if option == _IDS:
            if not words:
                raise click.UsageError(f"{_IDS}: expected one or more ids, got none")
            result += [f"{_IDS}={word}" for word in words]
        else:
            if len(words) == 1:
                raise click.UsageError(f"{_PUSH}: expected a remote and a branch, or neither")
            result.append(f"{_PUSH}={' '.join(words)}")
    return result
