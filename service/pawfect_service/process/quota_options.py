"""Options of `pawfect api` about what each user may have, and how long consents are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pawfect_service.quotas.limits import GIB, MOST, MOST_JOBS, Limits, Rules

F = TypeVar("F", bound=Callable[..., Any])


def quota_options(command: F) -> F:
    """Add the options."""
    for option in (
        click.option(
            "--keep-consents-days",
            type=click.FloatRange(min=0, min_open=True),
            envvar="PAWFECT_KEEP_CONSENTS_DAYS",
            help="Delete records of consent to swaps after so many days.  [default: never]",
        ),
        click.option(
            "--quotas",
            type=click.Path(dir_okay=False, path_type=Path),
            envvar="PAWFECT_QUOTAS",
            metavar="FILE",
            help="Users with other quotas, and prices; read anew when it changes.",
        ),
        click.option(
            "--quota-judge-usd",
            type=click.FloatRange(0, MOST),
            envvar="PAWFECT_QUOTA_JUDGE_USD",
            help="USD a user's jobs may cost at judges and engines elsewhere in a day, UTC.  "
            "[default: any]",
        ),
        click.option(
            "--quota-gib",
            type=click.FloatRange(0, MOST),
            envvar="PAWFECT_QUOTA_GIB",
            help="GiB of files of one user, originals and results.  [default: any]",
        ),
        click.option(
            "--quota-jobs",
            type=click.IntRange(0, MOST_JOBS),
            envvar="PAWFECT_QUOTA_JOBS",
            help="Jobs of one user that wait or run.  [default: any]",
        ),
    ):
        command = option(command)
    return command


def rules_of(
    jobs: int | None, gib: float | None, judge_usd: float | None, file: Path | None
) -> Rules:
    """Return the limits that the options set.

    Raises:
        PawfectError: INVALID_ARG for a file of another form.
    """
    kept = None if gib is None else round(gib * GIB)
    return Rules(Limits(jobs, kept, judge_usd), file)
