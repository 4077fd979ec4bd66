"""`pawfect api` and `pawfect worker`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import click

from pawfect.contract.errors import PawfectError
from pawfect_service.api.app import ApiSettings, create_app
from pawfect_service.http.health import health_app
from pawfect_service.jobs.contract import JobContract
from pawfect_service.people.retention import DAY_S
from pawfect_service.process.options import (
    MAX_PORT,
    authenticators_of,
    caller_of,
    check_audits,
    check_pages,
    common,
    print_key,
    push_check,
    push_target,
    trusted_of,
    worker_options,
)
from pawfect_service.process.processes import listen, run, run_child, serve_http, serve_triton
from pawfect_service.process.quota_options import quota_options, rules_of
from pawfect_service.services import Services, open_services
from pawfect_service.stores import make_queue
from pawfect_service.stores.reached import say_until_filling
from pawfect_service.telemetry.metrics import tell_metrics
from pawfect_service.variants.watched import WatchedVariants
from pawfect_service.worker.handler import Handler
from pawfect_service.worker.pull import PullWorker
from pawfect_service.worker.push import create_push_app

_PORT: Final = click.IntRange(1, MAX_PORT)
# How Cloud Run, and others like it, tell a container where to listen.
_PORT_VARIABLE: Final = "PORT"
# One of `--processes`: shares the port, and starts nothing beside itself.
_ONE_OF_SEVERAL: Final = "--one-of-several"


@click.command()
@common
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=_PORT, envvar=_PORT_VARIABLE, default=8080, show_default=True)
@click.option(
    "--api-keys",
    type=click.Path(path_type=Path),
    help="File of keys that are let in; see --new-api-key.",
)
@click.option(
    "--new-api-key",
    callback=print_key,
    expose_value=False,
    is_eager=True,
    metavar="NAME:UID[:admin]",
    help="Make a key for a user (*: for every user), print it, and leave.",
)
@click.option(
    "--audits",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Let admins' keys audit sessions on this machine; their pictures and reports lie there.",
)
@click.option(
    "--google-audience",
    multiple=True,
    metavar="CLIENT_ID",
    help="Let users in by Google ID tokens for this client; their uid is the token's sub.",
)
@click.option(
    "--variants",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="PAWFECT_VARIANTS",
    metavar="FILE",
    help="Which users get which variant of a run's jobs; read anew when it changes.",
)
@quota_options
@click.option("--no-auth", is_flag=True, help="Let everybody on this machine do everything.")
@click.option("--rate", default="120/minute", show_default=True, help="Requests per caller.")
@click.option(
    "--rate-storage",
    default="memory://",
    show_default=True,
    help="Where they are counted; redis://HOST:PORT for several processes.",
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that answer, each counting --rate for itself unless --rate-storage is shared.",
)
@click.option(_ONE_OF_SEVERAL, is_flag=True, hidden=True)
@click.option("--with-worker", is_flag=True, help="Fill the jobs in this process too.")
@click.option("--with-server", metavar="PROFILE", help="Run pawfect serve beside it.")
@worker_options
def api(
    store: str,
    triton: str,
    triton_identity: bool,
    triton_ca: Path | None,
    log_level: str,
    host: str,
    port: int,
    api_keys: Path | None,
    audits: Path | None,
    google_audience: tuple[str, ...],
    variants: Path | None,
    quota_jobs: int | None,
    quota_gib: float | None,
    quota_judge_usd: float | None,
    quotas: Path | None,
    keep_consents_days: float | None,
    no_auth: bool,
    rate: str,
    rate_storage: str,
    processes: int,
    one_of_several: bool,
    with_worker: bool,
    with_server: str | None,
    jobs: int,
    grace: float,
    price_per_hour: float,
    keep_days: float | None,
    metrics_port: int | None,
) -> None:
    """Serve the sessions' HTTP API; /docs describes it."""
    if one_of_several:
        processes, with_worker, with_server = 1, False, None
    check_pages(metrics_port, processes, [port])
    _tell_metrics(host, metrics_port)
    stop = asyncio.Event()
    another = [*sys.argv[1:], _ONE_OF_SEVERAL]

    async def main() -> None:
        authenticators = authenticators_of(host, api_keys, google_audience, no_auth)
        check_audits(audits, authenticators)
        watched = WatchedVariants(variants) if variants else None
        settings = ApiSettings(
            authenticators,
            rate,
            rate_storage,
            audits=audits,
            variants=watched,
            rules=rules_of(quota_jobs, quota_gib, quota_judge_usd, quotas),
            keep_consents_s=keep_consents_days and keep_consents_days * DAY_S,
            keep_days=keep_days,
        )
        caller = caller_of(triton, triton_identity, beside=with_server is not None)
        async with (
            open_services(
                store, JobContract(), triton, caller, trusted_of(triton, triton_ca)
            ) as services,
            _said_what_is_waited_for(services, triton, one_of_several),
            asyncio.TaskGroup() as group,
        ):
            if not one_of_several:
                # A shared port is open to any process that shares it: take it only if it is free.
                listen(host, port).close()
                _check_pages_are_free(host, metrics_port, processes)
            shared = one_of_several or processes > 1
            app = create_app(services, settings)
            group.create_task(serve_http(app, listen(host, port, shared=shared), stop))
            children = [
                group.create_task(run_child([*another, *_own_page(metrics_port, number)], stop))
                for number in range(1, processes)
            ]
            if with_server is not None:
                children.append(group.create_task(serve_triton(with_server, triton, stop)))
            if with_worker:
                worker = _puller(services, jobs, grace, price_per_hour, keep_days)
                group.create_task(worker.run(stop))
        for early in filter(None, (task.result() for task in children)):
            raise click.ClickException(f"{early}: expected to run as long as this, it ended")

    _run("pawfect-api", log_level, main, stop)


@click.command()
@common
@worker_options
@click.option("--push", is_flag=True, help="Take jobs that Pub/Sub pushes, instead of pulling.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=_PORT,
    envvar=_PORT_VARIABLE,
    default=8090,
    show_default=True,
    help="Port of --push.",
)
@click.option(
    "--health-port",
    type=_PORT,
    help="Without --push: tell over HTTP how it is, /healthz and /readyz.  [default: off]",
)
@click.option("--push-audience", help="Audience of the subscription's OIDC token.")
@click.option("--push-email", help="Service account of the subscription's OIDC token.")
@click.option(
    "--push-endpoint",
    metavar="URL",
    help="Where --make-topics has Pub/Sub push: this worker's /v1/worker/push, seen from there.",
)
@click.option("--no-auth", is_flag=True, help="Let everybody on this machine push.")
@click.option("--make-topics", is_flag=True, help="First make Pub/Sub's topics and subscription.")
def worker(
    store: str,
    triton: str,
    triton_identity: bool,
    triton_ca: Path | None,
    log_level: str,
    jobs: int,
    grace: float,
    price_per_hour: float,
    keep_days: float | None,
    metrics_port: int | None,
    push: bool,
    host: str,
    port: int,
    health_port: int | None,
    push_audience: str | None,
    push_email: str | None,
    push_endpoint: str | None,
    no_auth: bool,
    make_topics: bool,
) -> None:
    """Fill queued jobs, several at a time, until SIGTERM."""
    check_pages(metrics_port, 1, [port if push else health_port])
    _tell_metrics(host, metrics_port)
    stop = asyncio.Event()

    async def main() -> None:
        if push and health_port is not None:
            raise click.UsageError(
                "--health-port: expected no --push, which tells it on its own port"
            )
        check = push_check(host, push_audience, push_email, no_auth) if push else None
        target = push_target(push_endpoint, check, push=push, make_topics=make_topics)
        if make_topics:
            await asyncio.to_thread(make_queue, store, JobContract(), target)
        caller = caller_of(triton, triton_identity)
        trusted = trusted_of(triton, triton_ca)
        async with (
            open_services(store, JobContract(), triton, caller, trusted) as services,
            _said_what_is_waited_for(services, triton),
        ):
            if not push:
                async with _told(services, host, health_port, stop):
                    await _puller(services, jobs, grace, price_per_hour, keep_days).run(stop)
                return
            handler = Handler(services, price_per_hour)
            app = create_push_app(services, handler, check, jobs, keep_days)
            await serve_http(app, listen(host, port), stop, grace)

    _run("pawfect-worker", log_level, main, stop)


def _own_page(port: int | None, number: int) -> list[str]:
    """Return the options by which another process has a metrics page of its own."""
    return [] if port is None else ["--metrics-port", str(port + number)]


def _check_pages_are_free(host: str, first: int | None, processes: int) -> None:
    """Raise PawfectError, INVALID_ARG, where another process's page would find its port taken."""
    if first is not None:
        for port in range(first + 1, first + processes):
            listen(host, port, option="--metrics-port").close()


def _tell_metrics(host: str, port: int | None) -> None:
    """Serve the metrics page; what is in its way is said in one line."""
    try:
        tell_metrics(host, port)
    except PawfectError as error:
        raise click.ClickException(str(error)) from None


@asynccontextmanager
async def _said_what_is_waited_for(
    services: Services, triton: str, quiet: bool = False
) -> AsyncIterator[None]:
    """Log, until the server has answered once, that it is waited for, for the block at most."""
    if quiet:
        yield
        return
    saying = asyncio.create_task(say_until_filling(services.readiness.check, triton))
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)


@asynccontextmanager
async def _told(
    services: Services, host: str, port: int | None, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Tell over HTTP how this process is for the length of the block; nothing without a port."""
    if port is None:
        yield
        return
    over = asyncio.Event()
    app = health_app(services.readiness)
    listening = listen(host, port, option="--health-port")
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(serve_http(app, listening, over))
        # Nobody would know any more whether it lives.
        telling.add_done_callback(lambda _: stop.set())
        try:
            yield
        finally:
            over.set()


def _puller(
    services: Services, jobs: int, grace: float, price_per_hour: float, keep_days: float | None
) -> PullWorker:
    return PullWorker(services, Handler(services, price_per_hour), jobs, grace, keep_days)


def _run(service: str, level: str, main: Callable[[], Any], stop: asyncio.Event) -> None:
    """Run a command's work; what is wrong with its options is said in one line."""
    try:
        run(service, level, main, stop)
    except* (PawfectError, click.ClickException) as group:
        raise _first(group) from None


def _first(group: BaseExceptionGroup[Any]) -> click.ClickException:
    error: Any = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, click.ClickException) else click.ClickException(str(error))
