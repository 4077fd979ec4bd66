"""`pawfect variants comparisons`: how often blind choices agree with the searches' potential."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.fields import Comparison
from pawfect_service.jobs.kinds import SEARCHES, Kind
from pawfect_service.people.retention import DAY_S
from pawfect_service.process.options import store_option
from pawfect_service.process.stored import documents_of, told
from pawfect_service.variants.agreement import Agreement, agreement_of


@click.command()
@store_option
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Count searches that were queued within so many days.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def comparisons(store: str, days: float, as_json: bool) -> None:
    """Say how often people who saw two candidates blind chose what the search prefers."""
    since = time.time() - days * DAY_S
    documents = [document for kind in SEARCHES for document in _documents(store, kind, since)]
    searches, found = agreement_in(documents)
    if as_json:
        share = None if found.share is None else asdict(found.share)
        entries: dict[str, Any] = {"searches": searches, **asdict(found), "share": share}
        click.echo(json.dumps(entries, indent=2))
        return
    click.echo(f"{found.compared} pairs of {searches} searches were compared.")
    if found.share is None:
        click.echo("In none of them both people and search prefer one.")
        return
    at = found.share
    click.echo(
        f"{found.agreed} of {found.decided} choices agree with the search: {at.value:.1%} "
        f"({at.low:.1%} to {at.high:.1%}, Wilson's interval of 95 %; ties are left out)."
    )


def _documents(store: str, kind: Kind, since: float) -> Sequence[Document]:
    return told(lambda: documents_of(store, kind.name, since))


def agreement_in(documents: Iterable[Document]) -> tuple[int, Agreement]:
    """Return how many searches were compared, and how the choices agree with them.

    Args:
        documents: of searches; a comparison that somebody has edited into something else is left
            out.
    """
    searches, whole = 0, Agreement()
    for document in documents:
        report = document.get("report")
        given = document.get("jobComparisons")
        said = [one for each in given or () if (one := _comparison(each)) is not None]
        if said and isinstance(report, str):
            searches += 1
            whole = whole.plus(agreement_of(report, said))
    return searches, whole


def _comparison(given: Any) -> Comparison | None:
    try:
        return Comparison.model_validate(given, by_alias=True, by_name=False)
    except ValueError:
        return None
