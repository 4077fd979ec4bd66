"""Lines that the audit prints while it runs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from perf.audit.cells import Cell, Setting
from perf.audit.choice import loss_of
from perf.audit.journal import FAILED, Record


def line(record: Record) -> str:
    """Return a cell as it came out, in one line."""
    setting = record.setting
    head = (
        f"{record.session}: {setting.quantisation}, {setting.size} px, "
        f"guidance {setting.guidance:g}, {setting.steps} steps, strength {setting.strength:g}, "
        f"prompt {setting.prompt}: {record.status}"
    )
    if record.status == FAILED:
        return f"{head}: {record.reason}"
    tail = f", {record.total_ms / 1000:.2f} s, loss {loss_of(record):.3f}"
    return head + tail + (f" ({record.reason})" if record.reason else "")


def echo_left(cells: Sequence[Cell], left: Sequence[Cell]) -> None:
    """Say how many cells are to run."""
    click.echo(f"{len(cells) - len(left)} are done already, {len(left)} to run")


def echo_setting(setting: Setting) -> None:
    """Say a setting, one field a line."""
    for name, value in vars(setting).items():
        click.echo(f"{name:13} {value}")
    click.echo("(the prompt is each request's, by its labels: a profile holds none)")
