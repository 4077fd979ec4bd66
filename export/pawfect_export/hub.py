"""The hub that weights come from: what a file is there, and what its refusals mean."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from pawfect import __version__
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.weights.manifest import WeightsFile, is_commit

ENDPOINT_VARIABLE: Final = "HF_ENDPOINT"
DEFAULT_ENDPOINT: Final = "https://huggingface.co"
# Pauses between attempts, s: together a minute, longer than a proxy's or a CDN's restart takes.
PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
LONGEST_PAUSE_S: Final = 60.0
# Answers that a later attempt may change.
PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 522, 524})
ANSWER_TIMEOUT_S: Final = 20.0

T = TypeVar("T")


@dataclass(frozen=True)
class Remote:
    """One file as the hub describes it.

    Attributes:
        commit: the revision it belongs to, or None where the server does not say.
        etag: its digest: SHA-256 of a large file, git's blob SHA-1 of a small one.
        location: where its bytes are; often another host.
        size: bytes, or None.
    """

    commit: str | None
    etag: str | None
    location: str
    size: int | None


@dataclass(frozen=True)
class Hub:
    """Where weights are fetched from and as whom.

    Attributes:
        endpoint: base URL.
        token: of the account that accepted the licences, or None.
        pauses_s: pauses between attempts, s.
    """

    endpoint: str = DEFAULT_ENDPOINT
    token: str | None = field(default=None, repr=False)
    pauses_s: tuple[float, ...] = PAUSES_S

    @classmethod
    def of_environment(cls) -> Hub:
        """Return the hub of HF_ENDPOINT with the token of HF_TOKEN, or of `hf auth login`."""
        endpoint = os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT
        return cls(endpoint.rstrip("/"), get_token())

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers of a request; the token goes to the endpoint's own host only."""
        # Compressed answers have no ranges and another length than the file.
        headers = {"User-Agent": f"pawfect/{__version__}", "Accept-Encoding": "identity"}
        if self.token and _origin(url) == _origin(self.endpoint):
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def describe(self, file: WeightsFile, revision: str) -> Remote:
        """Ask what a file is at a revision.

        Args:
            file: of the manifest.
            revision: commit or branch.

        Raises:
            PawfectError: UNAVAILABLE where the hub refuses or has no such file, or the commit is
                not the one asked for.
        """
        url = hf_hub_url(file.repository, file.path, revision=revision, endpoint=self.endpoint)

        def ask() -> Remote:
            found = get_hf_file_metadata(
                url,
                token=self.token or False,
                timeout=ANSWER_TIMEOUT_S,
                library_name="pawfect",
                library_version=__version__,
                endpoint=self.endpoint,
            )
            return Remote(found.commit_hash, found.etag, found.location, found.size)

        remote = self.insist(file, ask)
        if is_commit(revision) and remote.commit not in (None, revision):
            raise _unavailable(file, f"expected commit {revision[:7]}, got {remote.commit}")
        if not is_commit(revision) and not is_commit(remote.commit or ""):
            raise _unavailable(file, f"expected the commit of {revision}, got {remote.commit}")
        return remote

    def insist(
        self, file: WeightsFile, attempt: Callable[[], T], moved: Callable[[], int] = lambda: 0
    ) -> T:
        """Return what an attempt returns, repeating it after what may pass.

        Args:
            file: for messages.
            attempt: raises httpx2 or hub errors.
            moved: bytes had so far; pauses start over when they have grown since the last attempt.

        Raises:
            PawfectError: UNAVAILABLE when the attempts are used up or the refusal is for good.
        """
        failures, had = 0, moved()
        while True:
            try:
                return attempt()
            except OfflineModeIsEnabled:
                raise _unavailable(file, "HF_HUB_OFFLINE is set; unset it to fetch") from None
            except HfHubHTTPError as error:
                status = error.response.status_code
                if status not in PASSING:
                    raise self._refusal(file, error) from None
                problem, asked = f"the server answered {status}", _retry_after(error.response)
            except httpx2.RequestError as error:
                problem, asked = f"the connection failed ({type(error).__name__})", 0.0
            failures, had = 0 if moved() > had else failures, moved()
            if failures == len(self.pauses_s):
                raise _unavailable(file, f"{problem}, {failures + 1} times; try again later")
            time.sleep(min(max(self.pauses_s[failures], asked), LONGEST_PAUSE_S))
            failures += 1

    def _refusal(self, file: WeightsFile, error: HfHubHTTPError) -> PawfectError:
        """Return the error of an answer that no repetition changes."""
        status, page = error.response.status_code, f"{self.endpoint}/{file.repository}"
        refused = isinstance(error, GatedRepoError) or status in (401, 403)
        if refused and self.token is None:
            return _unavailable(
                file,
                f"access refused ({status}), no token: accept the licence on {page}, then set "
                "HF_TOKEN to a token of that account",
            )
        if refused:
            return _unavailable(
                file,
                f"access refused ({status}): the token's account must accept the licence on {page} "
                "(HF_TOKEN names the token; it needs read access)",
            )
        if isinstance(error, RevisionNotFoundError):
            return _unavailable(file, f"no such revision on {page}")
        if isinstance(error, RemoteEntryNotFoundError):
            return _unavailable(file, f"no such file on {page} at that revision")
        if isinstance(error, RepositoryNotFoundError):
            return _unavailable(file, f"no such repository: {page}")
        return _unavailable(file, f"the server answered {status}")


def _unavailable(file: WeightsFile, problem: str) -> PawfectError:
    return PawfectError(ErrorKind.UNAVAILABLE, f"{file.repository} {file.path}: {problem}")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _retry_after(response: httpx2.Response) -> float:
    """Return the pause that a server asks for, s; 0 where it names none."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else 0.0
