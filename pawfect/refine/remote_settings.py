"""What the operator says about the remote engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pawfect.remote.budget import Allowance
from pawfect.remote.settings import check_url, read_integer, read_key, setting_error

URL_VARIABLE: Final = "PAWFECT_REMOTE_URL"
KEY_VARIABLE: Final = "PAWFECT_REMOTE_KEY"
MODEL_VARIABLE: Final = "PAWFECT_REMOTE_MODEL"
DAILY_VARIABLE: Final = "PAWFECT_REMOTE_DAILY"
TIMEOUT_VARIABLE: Final = "PAWFECT_REMOTE_TIMEOUT_S"
VARIABLES: Final = (URL_VARIABLE, KEY_VARIABLE, MODEL_VARIABLE, DAILY_VARIABLE, TIMEOUT_VARIABLE)
# What OpenAI's SDK 3.57 names in place of the models that it calls shut down.
DEFAULT_MODEL: Final = "gpt-image-2.5-sunburst"
# Requests of one day: what a few people try by hand.
DEFAULT_DAILY: Final = 50
# An edit takes up to a minute or two.
DEFAULT_TIMEOUT_S: Final = 180
_MOST_DAILY: Final = 100_000
_MOST_TIMEOUT_S: Final = 600


@dataclass(frozen=True)
class RemoteSettings:
    """Where a remote engine is and what it may cost.

    Attributes:
        url: base of its API, such as https://api.openai.com/v1.
        key: the operator's; never in messages, reports or logs.
        model: its name there.
        daily: requests of one day, in UTC, of this process.
        timeout_s: longest wait for an answer, s, within the request's own deadline.
    """

    url: str
    key: str = field(repr=False)
    model: str = DEFAULT_MODEL
    daily: int = DEFAULT_DAILY
    timeout_s: int = DEFAULT_TIMEOUT_S

    @property
    def allowance(self) -> Allowance:
        """What may be spent in a day."""
        return Allowance(self.daily, DAILY_VARIABLE)


def read_settings(environment: Mapping[str, str]) -> RemoteSettings | None:
    """Return what the environment says; None where it names neither URL nor key.

    Raises:
        PawfectError: UNAVAILABLE for one without the other, a URL that is neither https nor of
            this machine, a key that no header can carry, and a number out of bounds.
    """
    url, key = environment.get(URL_VARIABLE, ""), read_key(environment, KEY_VARIABLE)
    if not url and not key:
        return None
    if not url or not key:
        given, lacking = (URL_VARIABLE, KEY_VARIABLE) if url else (KEY_VARIABLE, URL_VARIABLE)
        raise setting_error(lacking, f"it beside {given}", "nothing")
    check_url(URL_VARIABLE, url)
    return RemoteSettings(
        url,
        key,
        environment.get(MODEL_VARIABLE) or DEFAULT_MODEL,
        read_integer(environment, DAILY_VARIABLE, DEFAULT_DAILY, _MOST_DAILY),
        read_integer(environment, TIMEOUT_VARIABLE, DEFAULT_TIMEOUT_S, _MOST_TIMEOUT_S),
    )
