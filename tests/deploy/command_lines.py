"""What a container runs, read by the real command: its options as the process will have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
import pytest

from harness.container.dockerfile import Instruction, instructions
from harness.container.image import CONTEXT
from pawfect.cli import main


def steps_of(dockerfile: str, name: str) -> list[Instruction]:
    """Return the instructions of a kind."""
    text = (CONTEXT / dockerfile).read_text()
    return [step for step in instructions(text) if step.name == name]


def entrypoint_of(dockerfile: str) -> list[str]:
    """Return the words of the image's entrypoint."""
    return steps_of(dockerfile, "ENTRYPOINT")[-1].words()


def parsed(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that the real command reads; it must be one of `pawfect`'s.

    Args:
        words: what runs.
        environment: variables that are set.
    """
    program, *rest = words
    assert program == "pawfect"
    command, context = main, click.Context(main)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest.pop(0))
        assert found is not None
        command, context = found, click.Context(found)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return command.make_context(command.name, rest).params
