"""`pawfect variants`: change shares, take a change back, and look at what came of them."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pawfect.photo.saving import write_atomically
from pawfect_service.jobs.kinds import KINDS
from pawfect_service.people.retention import DAY_S
from pawfect_service.process.comparisons_command import comparisons
from pawfect_service.process.options import store_option
from pawfect_service.process.stored import documents_of, told
from pawfect_service.variants.answers import Figures, figures_of
from pawfect_service.variants.changing import set_variants, stages_began, take_back
from pawfect_service.variants.columns import ABOUT, COLUMNS
from pawfect_service.variants.file import Variants, load_variants
from pawfect_service.variants.page import page_of
from pawfect_service.variants.rule import fallen

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
# What a variant has that nobody gets.
_NOBODY: Final = {"share": 0, "staging": False}


@click.group()
def variants() -> None:
    """Try presets and networks on a share of the users; see docs/variants.md."""


variants.add_command(comparisons)


@variants.command("set")
@click.argument("file", type=_FILE)
@click.argument("name")
@click.option("--share", type=float, help="Per cent of the users that get it, 0 to 100.")
@click.option("--staging/--no-staging", default=None, help="Whether the staging audience gets it.")
def set_(file: Path, name: str, share: float | None, staging: bool | None) -> None:
    """Change who gets the variant NAME of FILE; the APIs that use it notice by themselves."""
    given = {"share": share, "staging": staging}
    fields = {field: value for field, value in given.items() if value is not None}
    if not fields:
        raise click.UsageError("expected --share PERCENT, --staging or --no-staging")
    _say(told(lambda: set_variants(file, {name: fields})))


@variants.command()
@click.argument("file", type=_FILE)
def back(file: Path) -> None:
    """Take the last change of FILE back, as often as there were some."""
    _say(told(lambda: take_back(file)))


@variants.command()
@click.argument("file", type=_FILE, required=False)
@store_option
@click.option("--kind", default="cutout", show_default=True, help="Of the jobs.")
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True),
    default=7.0,
    show_default=True,
    help="Count jobs that were queued within so many days.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of the table.")
@click.option("--page", type=_FILE, help="Write an HTML page too.")
@click.option("--apply", is_flag=True, help="Take back what FILE's rule says, in one change.")
def report(
    file: Path | None,
    store: str,
    kind: str,
    days: float,
    as_json: bool,
    page: Path | None,
    apply: bool,
) -> None:
    """Say what came of each variant: ratings, seconds, memory, failures and edges.

    FILE adds the shares as they are now, and variants without a job.
    """
    if apply and file is None:
        raise click.UsageError("--apply: expected FILE with it, whose rule it applies")
    if not (kind in KINDS and KINDS[kind].varied):
        known = ", ".join(name for name, each in KINDS.items() if each.varied)
        raise click.UsageError(f"--kind: expected one of {known}, got {kind}")
    known_variants = None if file is None else told(lambda: load_variants(file))
    since = time.time() - days * DAY_S
    documents = told(lambda: documents_of(store, kind, since))
    figures = figures_of(documents, known_variants, kind)
    if page is not None:
        first = f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
        told(lambda: write_atomically(page, page_of(kind, figures, first).encode()))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in figures], indent=2))
    else:
        _print(figures)
    if apply and file is not None and known_variants is not None:
        began = told(lambda: stages_began(file))
        judged = figures_of(documents, known_variants, kind, began)
        reasons = fallen(judged, known_variants)
        for name, reason in reasons.items():
            click.echo(f"{name} is taken back: {reason}", err=True)
        if reasons:
            told(lambda: set_variants(file, dict.fromkeys(reasons, _NOBODY)))


def _print(figures: list[Figures]) -> None:
    table = Table(*COLUMNS)
    for each in figures:
        # As Text: a stored name may hold what rich would read as markup.
        table.add_row(*(Text(text(each)) for text in COLUMNS.values()))
    console = Console()
    console.print(table)
    console.print(ABOUT)


def _say(variants: Variants) -> None:
    """Print who gets what now."""
    for each in variants.variants:
        staging = ", staging" if each.staging else ""
        click.echo(f"{each.kind} {each.name}: {each.share:g} %{staging}")
