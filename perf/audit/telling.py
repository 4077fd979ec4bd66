"""What `python -m perf.audit` tells people while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from perf.audit.cells import Cell, Setting
from perf.audit.choice import loss_of
from perf.audit.journal import DONE, FAILED, Record


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


def echo_estimate(records: Mapping[str, Record], left: Sequence[Cell]) -> None:
    """Say how long the cells that are left will take, by those that ran."""
    known = [r.total_ms for r in records.values() if r.status == DONE]
    if known and left:
        mean_ms = sum(known) / len(known)
        click.echo(f"about {duration(mean_ms * len(left))}, by the {len(known)} cells so far")
    elif left:
        click.echo("how long is said once the server has answered the first requests")


def duration(ms: float) -> str:
    """Return a time in hours and minutes, or minutes and seconds."""
    minutes, seconds = divmod(round(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def echo_setting(setting: Setting) -> None:
    """Say a setting, one field a line."""
    for name, value in vars(setting).items():
        click.echo(f"{name:13} {value}")
    click.echo("(the prompt is each request's, by its labels: a profile holds none)")
