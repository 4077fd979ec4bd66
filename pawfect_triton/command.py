"""`pawfect serve`: the server of a profile on this machine."""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FrameType

import click

from pawfect.contract.errors import PawfectError
from pawfect.profile import PROFILE_VARIABLE, ProfileError, load_profile, profile_names
from pawfect_triton.grpc_options import GrpcOptions
from pawfect_triton.health import Health, HealthServer
from pawfect_triton.installation import MachineError
from pawfect_triton.logs import FORMAT
from pawfect_triton.prerequisites import prepare
from pawfect_triton.server import EXIT_TIMEOUT_S, Endpoints, TritonServer
from pawfect_triton.supervisor import Supervisor
from pawfect_triton.tls import load_tls, tls_options


@click.command()
@click.option(
    "--profile",
    envvar=PROFILE_VARIABLE,
    default="embedded",
    show_default=True,
    help=f"One of: {', '.join(profile_names())}.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--grpc-port", type=click.IntRange(1, 65535), default=8001, show_default=True)
@click.option("--http-port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--no-http", is_flag=True, help="Serve gRPC and the metrics only.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), default=8002, show_default=True)
@click.option(
    "--health-port",
    type=click.IntRange(1, 65535),
    help="Tell over HTTP how the models are: /readyz and /healthz.  [default: off]",
)
@tls_options
@click.option(
    "--restricted",
    is_flag=True,
    help="Answer nothing but inference, metadata and the health check.",
)
@click.option(
    "--connection-age",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Close connections this old, so that their callers find new servers.  [default: never]",
)
@click.option(
    "--exit-timeout",
    type=click.IntRange(1),
    default=EXIT_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="Time for what is in flight after SIGTERM.",
)
@click.option("--verbose", is_flag=True, help="Print Triton's INFO lines too.")
def serve(
    profile: str,
    host: str,
    grpc_port: int,
    http_port: int,
    no_http: bool,
    metrics_port: int,
    health_port: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    restricted: bool,
    connection_age: int | None,
    exit_timeout: int,
    verbose: bool,
) -> None:
    """Start Triton with a profile's models, and keep it alive."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format=FORMAT,
    )
    endpoints = Endpoints(host, grpc_port, None if no_http else http_port, metrics_port)
    try:
        chosen = load_profile(profile)
        grpc = GrpcOptions(load_tls(tls_cert, tls_key), restricted, connection_age)
        prepare(chosen)
        server = TritonServer(
            chosen, endpoints, verbose=verbose, grpc=grpc, exit_timeout_s=exit_timeout
        )
    except ProfileError as error:
        raise click.BadParameter(str(error), param_hint="--profile") from None
    except MachineError as error:
        raise click.ClickException(f"cannot start:{error}") from None

    def ready() -> None:
        click.echo(f"profile  {server.profile.name}: {', '.join(server.profile.models)}")
        click.echo(f"server   {server.installation.source}")
        encrypted = f", TLS as {grpc.tls.name}" if grpc.tls else ""
        click.echo(f"gRPC     {host}:{grpc_port}{encrypted}")
        click.echo("HTTP     off" if no_http else f"HTTP     http://{host}:{http_port}")
        click.echo(f"metrics  http://{host}:{metrics_port}/metrics")
        if health_port is not None:
            click.echo(f"health   http://{host}:{health_port}/readyz")
        for model, reason in server.degraded.items():
            click.echo(f"WITHOUT  {model}: {reason}")
        click.echo("ready: every model has answered")

    supervisor = Supervisor(server, ready)

    def on_signal(number: int, frame: FrameType | None) -> None:
        supervisor.stop(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    try:
        with _told(host, health_port, supervisor.health):
            code = supervisor.run()
    except MachineError as error:
        raise click.ClickException(f"cannot start:{error}") from None
    except PawfectError as error:
        raise click.ClickException(error.message) from None
    finally:
        server.close()
    sys.exit(0 if code == 0 else 1)


def _told(host: str, port: int | None, health: Health) -> AbstractContextManager[object]:
    """Return what tells of a server's health while it is open; nothing without a port."""
    if port is None:
        return nullcontext()
    try:
        return HealthServer(host, port, health)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise click.ClickException(
            f"health port {port} on {host}: {reason}; choose another, --health-port"
        ) from None
