"""Options of `pawfect api` and `pawfect worker`, and what they let in."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import click
from google.auth.transport.requests import Request as GoogleTransport

from pawfect.contract.errors import PawfectError, invalid
from pawfect_client.base import Headers
from pawfect_client.wire import DEFAULT_URL, target_of
from pawfect_service.http.callers import (
    Anybody,
    ApiKeys,
    Authenticator,
    GoogleTokens,
    KeptCertificates,
    is_loopback,
    new_api_key,
)
from pawfect_service.http.sign_in import SignIns
from pawfect_service.identity import GoogleIdentity, nobody
from pawfect_service.stores.base import PushTarget
from pawfect_service.worker.push import PushCheck

F = TypeVar("F", bound=Callable[..., Any])

_JOBS: Final = click.IntRange(min=1)
MAX_PORT: Final = 65535
_ADMIN: Final = ":admin"
_LEVELS: Final = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"])


def store_option(command: F) -> F:
    """Add the option of every command that opens a store."""
    return click.option(
        "--store",
        envvar="PAWFECT_STORE",
        default="embedded:./data",
        show_default=True,
        help="embedded:FOLDER or google:PROJECT/BUCKET/TOPIC.",
    )(command)


def common(command: F) -> F:
    """Add the options that both commands have."""
    for option in (
        click.option(
            "--triton-ca",
            type=click.Path(path_type=Path),
            envvar="PAWFECT_TRITON_CA",
            metavar="FILE",
            help="PEM certificates that vouch for https://HOST.  [default: the public ones]",
        ),
        click.option("--log-level", type=_LEVELS, default="INFO", show_default=True),
        click.option(
            "--triton-identity",
            is_flag=True,
            envvar="PAWFECT_TRITON_IDENTITY",
            help="Call Triton as this process's Google account, as Cloud Run's IAM asks for.",
        ),
        click.option(
            "--triton",
            envvar="PAWFECT_TRITON",
            default=DEFAULT_URL,
            show_default=True,
            metavar="HOST:PORT",
            help="Triton's gRPC endpoint; https://HOST where it is behind TLS.",
        ),
        store_option,
    ):
        command = option(command)
    return command


def worker_options(command: F) -> F:
    """Add the options of whatever fills."""
    for option in (
        click.option(
            "--price-per-hour",
            type=click.FloatRange(min=0),
            default=0.0,
            help="What an hour of the service costs, USD; a job's share stands in its document.",
        ),
        click.option(
            "--grace",
            type=click.FloatRange(min=0),
            default=20.0,
            show_default=True,
            metavar="SECONDS",
            help="Time for running jobs after SIGTERM; then they are given back.",
        ),
        click.option("--jobs", type=_JOBS, default=2, show_default=True, help="Jobs at a time."),
        click.option(
            "--keep-days",
            type=click.FloatRange(min=0, min_open=True),
            envvar="PAWFECT_KEEP_DAYS",
            metavar="DAYS",
            help="Delete sessions and runs that nothing has changed for so long; see "
            "docs/people-data.md.  [default: off]",
        ),
        click.option(
            "--metrics-port",
            type=click.IntRange(1, MAX_PORT),
            envvar="PAWFECT_METRICS_PORT",
            help="Port of the metrics page, for Prometheus alone; one for each of --processes, "
            "counted up from it.  [default: off]",
        ),
    ):
        command = option(command)
    return command


def print_key(context: click.Context, option: click.Parameter, wanted: str | None) -> None:
    """Print a new key for NAME:UID and leave; nothing where none is wanted."""
    if wanted is None:
        return
    name, _, uid = wanted.removesuffix(_ADMIN).partition(":")
    key, line = new_api_key(name, uid, admin=wanted.endswith(_ADMIN))
    try:
        ApiKeys([line])
    except PawfectError:
        expected = "NAME:UID or NAME:*, perhaps :admin behind it"
        raise click.BadParameter(f"expected {expected}, got {wanted}") from None
    click.echo(f"key (shown once): {key}\nline for --api-keys: {line}")
    context.exit()


def caller_of(triton: str, identity: bool, *, beside: bool = False) -> Callable[[], Headers]:
    """Return as whom Triton is called.

    Args:
        triton: --triton.
        identity: --triton-identity.
        beside: whether --with-server runs it on this machine.

    Raises:
        UsageError: it is to run here and is named as one behind TLS.
        PawfectError: INVALID_ARG for another form, and where a token would go unencrypted.
    """
    _check_server(triton)
    if beside and target_of(triton)[1]:
        expected = "--triton HOST:PORT with it, where it is to listen"
        raise click.UsageError(f"--with-server: expected {expected}, got {triton}")
    return GoogleIdentity(triton, GoogleTransport()).headers if identity else nobody


def _check_server(triton: str) -> None:
    """Raise PawfectError, INVALID_ARG, for a --triton of another form than the client takes."""
    try:
        target_of(triton)
    except PawfectError as error:
        message = f"--triton: {error.message.removeprefix('url: ')}"
        raise PawfectError(error.kind, message) from None


def check_pages(port: int | None, processes: int, taken: Sequence[int | None]) -> None:
    """Raise a usage error for pages of metrics on ports that there are not, or not for them.

    Args:
        port: --metrics-port, the first process's; None: there are no pages.
        processes: how many there are, each with the next port.
        taken: ports of the same command.
    """
    if port is None:
        return
    pages = range(port, port + processes)
    if pages[-1] > MAX_PORT or any(each in pages for each in taken):
        got = f"{port}" if processes == 1 else f"{port} to {pages[-1]}"
        raise click.UsageError(
            f"--metrics-port: expected a port for each process, up to {MAX_PORT} and none that "
            f"this command listens on otherwise, got {got}"
        )


def trusted_of(triton: str, file: Path | None) -> bytes | None:
    """Return the certificates that vouch for the server; None: those that gRPC trusts.

    Args:
        triton: --triton.
        file: --triton-ca.

    Raises:
        UsageError: a file for a server without TLS.
        PawfectError: INVALID_ARG for a url of another form, and for a file that is not there or
            holds no certificate.
    """
    if file is None:
        return None
    if not target_of(triton)[1]:
        raise click.UsageError(f"--triton-ca: expected --triton https://HOST with it, got {triton}")
    expected = "a file of PEM certificates"
    try:
        content = file.read_bytes()
        ssl.create_default_context(cadata=content.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError):
        raise invalid("--triton-ca", expected, "one without") from None
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise invalid("--triton-ca", expected, got) from None
    return content


def authenticators_of(
    host: str, api_keys: Path | None, audiences: tuple[str, ...], no_auth: bool
) -> list[Authenticator]:
    """Return how callers are known; a usage error where nothing says so."""
    if no_auth:
        if api_keys or audiences or not is_loopback(host):
            raise click.UsageError("--no-auth: expected a loopback --host and no credentials")
        return [Anybody()]
    authenticators: list[Authenticator] = []
    if api_keys:
        keys = ApiKeys.from_file(api_keys)
        if not keys.lines:
            expected = "a key, which pawfect api --new-api-key NAME:UID makes"
            raise invalid("API keys", expected, "a file without one")
        authenticators.append(keys)
    if audiences:
        authenticators.append(GoogleTokens(audiences, KeptCertificates(GoogleTransport())))
    # Last: a cookie that has ended is in nobody's way who shows something else.
    authenticators += [SignIns(each) for each in authenticators if isinstance(each, ApiKeys)]
    if not authenticators:
        raise click.UsageError("expected --api-keys, --google-audience or, on a laptop, --no-auth")
    return authenticators


def check_audits(audits: Path | None, authenticators: Sequence[Authenticator]) -> None:
    """Raise a usage error for audits that nobody could start: without an admin's key."""
    keys = (each for each in authenticators if isinstance(each, ApiKeys))
    if audits is not None and not any(each.has_admin for each in keys):
        raise click.UsageError(
            "--audits: expected an admin's key in --api-keys (pawfect api --new-api-key "
            "NAME:UID:admin makes one)"
        )


def push_check(
    host: str, audience: str | None, email: str | None, no_auth: bool
) -> PushCheck | None:
    """Return who may push, None: everybody; a usage error where nothing says so."""
    if no_auth and is_loopback(host) and not (audience or email):
        return None
    if no_auth or not (audience and email):
        raise click.UsageError(
            "--push: expected --push-audience and --push-email or, on loopback, --no-auth"
        )
    return PushCheck(audience, email, KeptCertificates(GoogleTransport()))


def push_target(
    endpoint: str | None, check: PushCheck | None, *, push: bool, make_topics: bool
) -> PushTarget | None:
    """Return what the subscription that is made pushes to; a usage error where options contradict.

    Args:
        endpoint: --push-endpoint.
        check: who may push; the subscription's token says the same.
        push: --push.
        make_topics: --make-topics.
    """
    if endpoint is None:
        if push and make_topics:
            raise click.UsageError("--push --make-topics: expected --push-endpoint URL with them")
        return None
    if not (push and make_topics):
        raise click.UsageError("--push-endpoint: expected --push and --make-topics with it")
    # A token that is read on its way lets its reader push until it expires.
    schemes = ("https",) if check else ("https", "http")
    if not _is_url(endpoint, schemes):
        expected = " or ".join(f"{scheme}://HOST/..." for scheme in schemes)
        raise click.UsageError(f"--push-endpoint: expected {expected}, got {endpoint}")
    return PushTarget(endpoint, check.email, check.audience) if check else PushTarget(endpoint)


def _is_url(text: str, schemes: Sequence[str]) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in schemes and bool(url.hostname)
    except ValueError:
        return False
