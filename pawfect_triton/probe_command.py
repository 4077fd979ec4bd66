"""`pawfect probe`: whether a running server's models answer, by a tiny inference of each."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from pawfect.contract.errors import PawfectError
from pawfect.profile import PROFILE_VARIABLE, ProfileError, load_profile, profile_names
from pawfect_triton.installation import MachineError
from pawfect_triton.probe import Prober, lacks_weights
from pawfect_triton.tls import load_tls, tls_options


@click.command()
@click.option("--url", default="127.0.0.1:8001", show_default=True, metavar="HOST:PORT")
@click.option(
    "--profile",
    envvar=PROFILE_VARIABLE,
    default="embedded",
    show_default=True,
    help=f"What the server runs, one of: {', '.join(profile_names())}.",
)
@click.option(
    "--model", "models", multiple=True, help="Ask this one; may be repeated.  [default: all]"
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest wait for each model.",
)
@tls_options
@click.option("--strict", is_flag=True, help="A model that lacks its weights is a failure too.")
def probe(
    url: str,
    profile: str,
    models: tuple[str, ...],
    timeout_s: float,
    tls_cert: Path | None,
    tls_key: Path | None,
    strict: bool,
) -> None:
    """Ask each model of a running server for a tiny inference.

    Prints a line per model. Exits with 0 where all have answered, else with the code of the first
    failure. A model that lacks its weights is printed and, without --strict, no failure.
    """
    try:
        chosen = load_profile(profile)
        tls = load_tls(tls_cert, tls_key)
    except ProfileError as error:
        raise click.BadParameter(str(error), param_hint="--profile") from None
    except MachineError as error:
        raise click.ClickException(error.problems[0]) from None
    unknown = sorted(set(models) - set(chosen.models))
    if unknown:
        known = ", ".join(chosen.models)
        problem = f"expected some of {known}, got {', '.join(unknown)}"
        raise click.BadParameter(problem, param_hint="--model")
    asked = models or chosen.models
    width = max(map(len, asked))
    codes = []
    prober = Prober(url, chosen, tls)
    try:
        for model in asked:
            start = time.monotonic()
            try:
                prober.probe(model, timeout_s)
            except PawfectError as error:
                degraded = lacks_weights(error)
                click.echo(f"{model:{width}}  {'WITHOUT' if degraded else 'FAILED'}  {error}")
                if strict or not degraded:
                    codes.append(error.row.exit_code)
            else:
                click.echo(f"{model:{width}}  OK  {(time.monotonic() - start) * 1000:.0f} ms")
    finally:
        prober.close()
    sys.exit(codes[0] if codes else 0)
