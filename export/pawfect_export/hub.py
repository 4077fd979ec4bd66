"""The hub that weights come from: what a file is there, its bytes, and what refusals mean.

huggingface_hub speaks to it. `hf_hub_download` is not used: it throws away what it has when the
process ends, which with files of 24 GB matters.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

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
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from pawfect import __version__
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.remote.settings import check_url
from pawfect.weights.manifest import WeightsFile, is_commit

ENDPOINT_VARIABLE: Final = "HF_ENDPOINT"
DEFAULT_ENDPOINT: Final = "https://huggingface.co"
# Pauses between attempts, s: together a minute, longer than a proxy's or a CDN's restart takes.
PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
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
        size: bytes, or None.
    """

    commit: str | None
    etag: str | None
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
        """Return the hub of HF_ENDPOINT with the token of HF_TOKEN, or of `hf auth login`.

        Raises:
            PawfectError: UNAVAILABLE where the token would go to a server that is neither https nor
                of this machine.
        """
        endpoint, token = os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT, get_token()
        # Without a token nothing secret is sent, and what comes is held to its digests.
        if token:
            check_url(ENDPOINT_VARIABLE, endpoint)
        return cls(endpoint.rstrip("/"), token)

    def describe(self, file: WeightsFile) -> Remote:
        """Ask what a file is at its revision.

        Raises:
            PawfectError: UNAVAILABLE where the hub refuses or has no such file, or the commit is
                not the one asked for.
        """

        def ask() -> Remote:
            found = get_hf_file_metadata(
                self._url(file),
                token=self.token or False,
                timeout=ANSWER_TIMEOUT_S,
                endpoint=self.endpoint,
                library_name="pawfect",
                library_version=__version__,
            )
            return Remote(found.commit_hash, found.etag, found.size)

        remote = self._insist(file, ask)
        if is_commit(file.revision) and remote.commit not in (None, file.revision):
            raise unavailable(file, f"expected commit {file.revision[:7]}, got {remote.commit}")
        if not is_commit(file.revision) and not is_commit(remote.commit or ""):
            raise unavailable(file, f"expected the commit of {file.revision}, got {remote.commit}")
        return remote

    def download(self, file: WeightsFile, part: Path, name: str) -> None:
        """Append to a part what it lacks of a file; nothing is verified.

        Args:
            file: of the manifest.
            part: the beginning of the file, or missing.
            name: for the progress bar.

        Raises:
            PawfectError: UNAVAILABLE where the hub refuses or fails for long.
        """
        # Compressed answers have no ranges and another length than the file.
        headers = build_hf_headers(
            token=self.token or False, library_name="pawfect", library_version=__version__
        )
        headers["Accept-Encoding"] = "identity"

        def append() -> None:
            with part.open("ab") as out:
                # The hub's address, not the CDN's: that one is signed and expires. The token is
                # dropped on the way there.
                http_get(
                    self._url(file),
                    out,
                    resume_size=out.tell(),
                    headers=headers,
                    displayed_filename=name,
                )
                out.flush()
                os.fsync(out.fileno())

        part.parent.mkdir(parents=True, exist_ok=True)
        self._insist(file, append, lambda: size_of(part))

    def _url(self, file: WeightsFile) -> str:
        return hf_hub_url(
            file.repository, file.path, revision=file.revision, endpoint=self.endpoint
        )

    def _insist(
        self, file: WeightsFile, attempt: Callable[[], T], have: Callable[[], int] = lambda: 0
    ) -> T:
        """Return what an attempt returns, repeating it after what may pass.

        Args:
            file: for messages.
            attempt: raises httpx2 or hub errors.
            have: bytes so far; pauses start over when they have grown since the last attempt.

        Raises:
            PawfectError: UNAVAILABLE when the attempts are used up or the refusal is for good.
        """
        failures, had = 0, have()
        while True:
            try:
                return attempt()
            except OfflineModeIsEnabled:
                raise unavailable(file, "HF_HUB_OFFLINE is set; unset it to fetch") from None
            except HfHubHTTPError as error:
                status = error.response.status_code
                if status not in PASSING:
                    raise self._refusal(file, error) from None
                problem = f"the server answered {status}"
            except httpx2.RequestError as error:
                problem = f"the connection failed ({type(error).__name__})"
            failures, had = 0 if have() > had else failures, have()
            if failures == len(self.pauses_s):
                raise unavailable(file, f"{problem}, {failures + 1} times; try again later")
            time.sleep(self.pauses_s[failures])
            failures += 1

    def _refusal(self, file: WeightsFile, error: HfHubHTTPError) -> PawfectError:
        """Return the error of an answer that no repetition changes."""
        status, page = error.response.status_code, f"{self.endpoint}/{file.repository}"
        problem = f"the server answered {status}"
        if isinstance(error, GatedRepoError) or status in (401, 403):
            problem = f"access refused ({status})"
            if self.token is None:
                problem += f", no token: accept the licence on {page}, then set HF_TOKEN to a token"
                problem += " of that account"
            else:
                problem += f": the token's account must accept the licence on {page} (HF_TOKEN"
                problem += " names the token; it needs read access)"
        elif isinstance(error, RevisionNotFoundError):
            problem = f"no such revision on {page}"
        elif isinstance(error, RemoteEntryNotFoundError):
            problem = f"no such file on {page} at that revision"
        elif isinstance(error, RepositoryNotFoundError):
            problem = f"no such repository: {page}"
        return unavailable(file, problem)


def unavailable(file: WeightsFile, problem: str) -> PawfectError:
    """Return the UNAVAILABLE error of one file of the hub."""
    return PawfectError(ErrorKind.UNAVAILABLE, f"{file.repository} {file.path}: {problem}")


def size_of(path: Path) -> int:
    """Return a file's size, bytes; 0 where it is missing."""
    return path.stat().st_size if path.exists() else 0
