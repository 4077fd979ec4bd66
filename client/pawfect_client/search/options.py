"""Options of `pawfect search` that become parameters of the request."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import click

from pawfect.contract.faces import PIXEL_BOOSTS
from pawfect.contract.parameters import Scalar
from pawfect.contract.search import HAIR, PRESETS, PROPOSERS, SearchParams
from pawfect_client.candidate_search import SWAP_PRESET
from pawfect_client.parameter_option import read_parameters

Command = TypeVar("Command", bound=Callable[..., Any])

_WEIGHT: Final = "Its weight in the potential, 0 to 100.  [default: the preset's]"


def _plan(preset: str) -> tuple[Callable[[Command], Command], ...]:
    """Return the options of every search; their bounds are the contract's, which says them."""
    return (
        click.option(
            "--preset",
            type=click.Choice(list(PRESETS)),
            help=f"Numbers and weights.  [default: {preset}]",
        ),
        click.option("--k-global", type=int, help="Candidates of the first stage, 1 to 64."),
        click.option("--m-global", type=int, help="How many of the best have children."),
        click.option("--k-local", type=int, help="Children of each, 0 to 16."),
        click.option("--consistency", type=float, help=_WEIGHT),
        click.option("--realism", type=float, help=_WEIGHT),
        click.option("--identity", type=float, help=_WEIGHT),
        click.option("--floor", type=float, help="Local consistency under which nothing wins."),
        click.option("--seed", type=int, help="Same request and seed: same candidates."),
        click.option(
            "--remote", is_flag=True, default=None, help="Pictures may leave the server for judges."
        ),
        click.option("--engine", help="As for `pawfect inpaint`; of edits auto, edit or klein."),
        click.option(
            "--deadline",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="Of each task; what is found by then counts.  [default: 120]",
        ),
    )


_SWAP: Final = (
    click.option(
        "--consent",
        is_flag=True,
        default=None,
        help="Everybody whose face is seen or shown agrees to a swap.",
    ),
    click.option(
        "--caller", metavar="NAME", help="Of a swap, for the server's log.  [default: your account]"
    ),
    click.option(
        "--pixel-boost",
        type=click.Choice([str(side) for side in PIXEL_BOOSTS]),
        help="Side of a swapped face, px.  [default: 256]",
    ),
)
_OWN: Final = (
    click.option(
        "--proposer",
        type=click.Choice(PROPOSERS),
        help="A fill, or the character of --reference put there, or its face.  [default: inpaint]",
    ),
    *_SWAP,
    click.option(
        "--hair", type=click.Choice(HAIR), help="The picture's or the character's.  [default: keep]"
    ),
)


def search_options(command: Command) -> Command:
    """Give a command the options of a search; `parameters_of` takes them."""
    return _with((*_OWN, *_plan(SearchParams().preset)), command)


def swap_options(command: Command) -> Command:
    """Give a command the options of a swap; `parameters_of` takes them."""
    return _with((*_SWAP, *_plan(SWAP_PRESET)), command)


def _with(options: Iterable[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(tuple(options)):
        command = option(command)
    return command


def parameters_of(params: Iterable[str], own: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the request's parameters.

    Args:
        params: KEY=VALUE of --param.
        own: what `search_options` or `swap_options` gave, by name; None where it was not said.

    Raises:
        click.UsageError: one that was given both ways, and what `read_parameters` refuses.
    """
    parameters = read_parameters(params, SearchParams)
    for option, value in own.items():
        if value is None:
            continue
        name = "deadline_ms" if option == "deadline" else option
        if name in parameters:
            raise click.UsageError(
                f"--{option.replace('_', '-')} and --param {name}: expected one of them, got both"
            )
        if option == "deadline" and not math.isfinite(value):
            raise click.UsageError(f"--deadline: expected seconds, got {value}")
        parameters[name] = _value(option, value)
    return parameters


def _value(option: str, value: Any) -> Scalar:
    """Return what an option's value is as a parameter."""
    read: Scalar = value
    if option == "deadline":
        read = round(value * 1000)
    elif option == "pixel_boost":
        read = int(value)
    return read
