"""Where the remote judges are and what they may cost: remote_models.toml, then the environment."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from importlib.util import find_spec
from types import MappingProxyType
from typing import Annotated, Final

from pawfect.contract.errors import PawfectError
from pawfect.contract.tables import SOME, at_least, between, matching, read_table
from pawfect.remote.budget import Allowance
from pawfect.remote.settings import (
    check_url,
    is_here,
    read_amount,
    read_integer,
    read_key,
    setting_error,
)

GEMINI: Final = "gemini"
MOONDREAM: Final = "moondream"
PARTS: Final = ("KEY", "URL", "MODEL", "DAILY", "DAILY_USD", "USD_PER_CALL", "TIMEOUT_S")
_MOST_DAILY: Final = 100_000
_MOST_USD: Final = 10_000.0
_MOST_TIMEOUT_S: Final = 600
# What a model's name may be: it becomes a part of an address.
_NAME: Final = matching(r"[A-Za-z0-9][A-Za-z0-9._/@:-]{0,199}", "a model's name")


@dataclass(frozen=True)
class Client:
    """The package that speaks to a judge.

    Attributes:
        package: what is imported.
        install: the command that installs it.
    """

    package: str
    install: str

    @property
    def here(self) -> bool:
        """Whether it is installed."""
        try:
            return find_spec(self.package) is not None
        except ModuleNotFoundError:
            return False


# moondream asks for an engine of its own with torch and CUDA, which its client does without.
CLIENTS: Final[Mapping[str, Client]] = MappingProxyType(
    {
        GEMINI: Client("google.genai", "pip install 'pawfect[judges]'"),
        MOONDREAM: Client("moondream", "pip install --no-deps moondream==2.6.1"),
    }
)


@dataclass(frozen=True)
class RemoteModel:
    """A model of a judge's.

    Attributes:
        name: there.
        usd_per_call: the most that one call costs, USD.
    """

    name: Annotated[str, _NAME]
    usd_per_call: Annotated[float, between(0.0, _MOST_USD)]


@dataclass(frozen=True)
class _Defaults:
    url: str
    daily: Annotated[int, between(1, _MOST_DAILY)]
    daily_usd: Annotated[float, at_least(0)]
    timeout_s: Annotated[int, between(1, _MOST_TIMEOUT_S)]
    models: Annotated[tuple[RemoteModel, ...], SOME]


@dataclass(frozen=True)
class _Table:
    date: Annotated[str, matching(r"\d{4}-\d\d-\d\d", "a date such as 2026-11-29")]
    gemini: _Defaults
    moondream: _Defaults


@dataclass(frozen=True)
class JudgeSettings:
    """Where one remote judge is and what it may cost.

    Attributes:
        judge: gemini or moondream.
        url: base of its API.
        key: the operator's; never in messages, reports or logs; may be empty for a judge of this
            machine.
        models: that are asked, the first that is there.
        allowance: of a day.
        timeout_s: longest wait for one answer, s, within the request's own deadline.
    """

    judge: str
    url: str
    key: str = field(repr=False)
    models: tuple[RemoteModel, ...]
    allowance: Allowance
    timeout_s: int


def variable(judge: str, part: str) -> str:
    """Return the name of an environment variable, such as PAWFECT_GEMINI_KEY."""
    return f"PAWFECT_{judge.upper()}_{part}"


VARIABLES: Final = tuple(variable(judge, part) for judge in CLIENTS for part in PARTS)


def read_settings(judge: str, environment: Mapping[str, str]) -> JudgeSettings | None:
    """Return what data and environment say of a judge; None where it is not set up.

    It is set up by its key, or by a URL of this machine, whose server needs none.

    Raises:
        PawfectError: UNAVAILABLE for a variable that says something impossible, a URL without a
            key, and a URL that is neither https nor of this machine.
    """
    names = {part: variable(judge, part) for part in PARTS}
    defaults: _Defaults = getattr(_table(), judge)
    key, given_url = read_key(environment, names["KEY"]), environment.get(names["URL"], "")
    if not key and not given_url:
        return None
    url = given_url or defaults.url
    check_url(names["URL"], url)
    if not key and not (judge == MOONDREAM and is_here(url)):
        raise setting_error(names["KEY"], f"it beside {names['URL']}", "nothing")
    allowance = Allowance(
        read_integer(environment, names["DAILY"], defaults.daily, _MOST_DAILY),
        names["DAILY"],
        read_amount(environment, names["DAILY_USD"], defaults.daily_usd, _MOST_USD),
        names["DAILY_USD"],
    )
    timeout_s = read_integer(environment, names["TIMEOUT_S"], defaults.timeout_s, _MOST_TIMEOUT_S)
    models = _models(judge, environment, defaults.models)
    return JudgeSettings(judge, url.rstrip("/"), key, models, allowance, timeout_s)


def lacking(judge: str, environment: Mapping[str, str]) -> str | None:
    """Return why a judge cannot be asked, and what mends it; None where it can."""
    try:
        settings = read_settings(judge, environment)
    except PawfectError as error:
        return f"the judge {judge} is off: {error.message}"
    if settings is None:
        return f"the judge {judge} is not set up ({variable(judge, 'KEY')} of the server)"
    client = CLIENTS[judge]
    if not client.here:
        return f"the judge {judge} is off: it needs the package {client.package}: {client.install}"
    return None


def _models(
    judge: str, environment: Mapping[str, str], known: tuple[RemoteModel, ...]
) -> tuple[RemoteModel, ...]:
    """Return the models that are asked: the operator's first, at the operator's price."""
    name, given = variable(judge, "MODEL"), environment.get(variable(judge, "MODEL"))
    if given:
        if not _NAME.fits(given):
            raise setting_error(name, _NAME.expected, "what is none")
        # Of one that is not in the table, the dearest that is.
        dearest = max(model.usd_per_call for model in known)
        priced = {model.name: model.usd_per_call for model in known}
        own = RemoteModel(given, priced.get(given, dearest))
        known = (own, *(model for model in known if model.name != given))
    price = variable(judge, "USD_PER_CALL")
    if environment.get(price):
        usd = read_amount(environment, price, 0.0, _MOST_USD)
        known = tuple(replace(model, usd_per_call=usd) for model in known)
    return known


@cache
def _table() -> _Table:
    text = resources.files("pawfect.judges").joinpath("remote_models.toml").read_text("utf-8")
    return read_table(_Table, tomllib.loads(text), "remote_models.toml")
