"""Pictures in Google Cloud Storage: uploaded, and signed links (V4) to them, made offline."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud.exceptions import GoogleCloudError
from google.cloud.storage import Client
from google.oauth2 import service_account

from perf.audit.journal import AuditError

EMULATOR_VARIABLE: Final = "STORAGE_EMULATOR_HOST"
# The longest that V4 allows.
MOST_DAYS: Final = 7


@dataclass(frozen=True)
class Target:
    """A place in a bucket: gs://BUCKET/PREFIX."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, url: str) -> Target:
        """Read gs://BUCKET or gs://BUCKET/PREFIX.

        Raises:
            AuditError: it is another address.
        """
        scheme, _, rest = url.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme != "gs" or not bucket:
            raise AuditError(f"upload: expected gs://BUCKET/PREFIX, got {url!r}")
        return cls(bucket, prefix.strip("/"))

    def name(self, path: str) -> str:
        """Return the object's name for a path below the audit's folder."""
        return f"{self.prefix}/{path}" if self.prefix else path


class SignedLinks:
    """Signs links with a service account's key: no call leaves the machine.

    Args:
        key: the key file that Google Cloud hands out for a service account.
        days: how long links hold, 1 to 7.

    Raises:
        AuditError: the file is no such key, or the days are out of bounds.
    """

    def __init__(self, key: Path, days: int = MOST_DAYS) -> None:
        if not 1 <= days <= MOST_DAYS:
            raise AuditError(f"days: expected 1 to {MOST_DAYS}, got {days}")
        try:
            make: Any = service_account.Credentials.from_service_account_file
            self.credentials = make(str(key))
        except (OSError, ValueError, GoogleAuthError) as error:
            raise AuditError(
                f"key {key.name}: expected a service account's key file ({type(error).__name__})"
            ) from None
        self._lasts = timedelta(days=days)
        self._client: Any = Client(
            project=self.credentials.project_id or "none", credentials=self.credentials
        )

    def sign(self, bucket: str, name: str) -> str:
        """Return a link by which anyone may read one object until it ends.

        Google's V4 signing process: cloud.google.com/storage/docs/access-control/signed-urls.

        Args:
            bucket: the bucket's name.
            name: the object's.
        """
        blob = self._client.bucket(bucket).blob(name)
        # Said outright: under an emulator's variable the library would sign for that host.
        link: str = blob.generate_signed_url(
            version="v4",
            expiration=self._lasts,
            method="GET",
            api_access_endpoint="https://storage.googleapis.com",
        )
        return link


def upload(folder: Path, paths: Iterable[str], target: Target, key: Path | None) -> None:
    """Put files into a bucket; what is there already with the same size stays.

    Args:
        folder: the audit's.
        paths: below it.
        target: where they go.
        key: of a service account; None: whatever credentials the machine has.

    Raises:
        AuditError: the bucket refuses or does not answer.
    """
    try:
        bucket = _client(key).bucket(target.bucket)
        here = {blob.name: blob.size for blob in bucket.list_blobs(prefix=target.prefix)}
        for path in paths:
            name = target.name(path)
            if here.get(name) != (folder / path).stat().st_size:
                bucket.blob(name).upload_from_filename(str(folder / path))
    except (GoogleAuthError, GoogleCloudError, OSError, ValueError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AuditError(f"upload to gs://{target.bucket}: {said}") from None


def _client(key: Path | None) -> Any:
    if os.environ.get(EMULATOR_VARIABLE):
        return Client(project="none", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    if key is not None:
        return Client.from_service_account_json(str(key))
    return Client()
