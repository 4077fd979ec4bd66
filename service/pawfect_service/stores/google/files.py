"""Files in Cloud Storage. An object is there whole or not at all; calls run in threads."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import google.cloud.storage as storage
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.credentials import Credentials, Signing
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.cloud.storage.retry import DEFAULT_RETRY

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.paths import check_path
from pawfect_service.stores.base import PIECE, OpenedFile, StoredFile, check_length
from pawfect_service.stores.google.errors import translated

T = TypeVar("T")

ENDPOINT: Final = "https://storage.googleapis.com"
# One call, connection and answer, s: a photo of 20 MB over 10 Mbit/s takes 16 s.
_TIMEOUT_S: Final = 60.0
# In all, tries again included: a worker's lease is not held by waiting for storage.
_RETRY: Final = DEFAULT_RETRY.with_timeout(20.0)


class StorageFiles:
    """`Files` in a bucket.

    Args:
        client: of Cloud Storage.
        bucket: its name.
        signer: whose links are taken; one that cannot sign gives none.
    """

    def __init__(
        self, client: storage.Client, bucket: str, signer: Credentials | None = None
    ) -> None:
        self._client, self._signer = client, signer
        self._bucket = client.bucket(bucket)

    async def put(self, files: Mapping[str, bytes]) -> None:
        """Write objects, each replacing one of that path at once; its type is its name's."""
        paths = [check_path(path) for path in files]
        await asyncio.gather(*(self._put(path, files[path]) for path in paths))

    async def _put(self, path: str, data: bytes) -> None:
        blob = self._bucket.blob(path)
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        # The same bytes to the same name: sending them twice does no harm.
        await _threaded(
            lambda: blob.upload_from_string(
                data, kind, timeout=_TIMEOUT_S, retry=_RETRY, checksum="crc32c"
            )
        )

    async def get(self, path: str) -> bytes:
        """Return an object; FileNotFoundError: there is none; INVALID_ARG: it is too long."""
        blob = self._bucket.blob(check_path(path))

        def read() -> bytes:
            blob.reload(timeout=_TIMEOUT_S, retry=_RETRY)
            check_length(blob.size or 0)
            return bytes(blob.download_as_bytes(timeout=_TIMEOUT_S, retry=_RETRY))

        return await _threaded(read)

    async def open(self, path: str) -> OpenedFile:
        """Return an object piece by piece; FileNotFoundError: there is none."""
        return await self._open(check_path(path))

    async def read(self, file: StoredFile) -> OpenedFile:
        """Return an object that was listed piece by piece; FileNotFoundError: there is none."""
        return await self._open(file.path)

    async def _open(self, name: str) -> OpenedFile:
        blob = self._bucket.blob(name)
        await _threaded(lambda: blob.reload(timeout=_TIMEOUT_S, retry=_RETRY))
        size = int(blob.size or 0)

        def read(start: int) -> bytes:
            end = min(start + PIECE, size) - 1
            # Of this generation alone: a file that is replaced meanwhile is not mixed.
            return bytes(
                blob.download_as_bytes(
                    start=start,
                    end=end,
                    if_generation_match=blob.generation,
                    timeout=_TIMEOUT_S,
                    retry=_RETRY,
                )
            )

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, size, PIECE):
                yield await _threaded(partial(read, start))

        return OpenedFile(size, pieces())

    async def copy(self, source: str, target: str) -> None:
        """Copy an object at once; FileNotFoundError where there is no source."""
        blob, name = self._bucket.blob(check_path(source)), check_path(target)
        await _threaded(
            lambda: self._bucket.copy_blob(
                blob, self._bucket, name, timeout=_TIMEOUT_S, retry=_RETRY
            )
        )

    async def delete(self, path: str) -> None:
        """Remove an object; one that is not there is no error."""
        blob = self._bucket.blob(check_path(path))
        try:
            await _threaded(lambda: blob.delete(timeout=_TIMEOUT_S, retry=_RETRY))
        except FileNotFoundError:
            return

    async def folders(self, folder: str) -> list[str]:
        """Return the names of the folders that lie in a folder, sorted."""
        prefix = check_path(folder) + "/"

        def found() -> list[str]:
            listing = self._bucket.list_blobs(
                prefix=prefix, delimiter="/", timeout=_TIMEOUT_S, retry=_RETRY
            )
            # The prefixes are known once the pages have been read.
            list(listing)
            return sorted(each.removeprefix(prefix).rstrip("/") for each in listing.prefixes)

        return await _threaded(found)

    async def list(self, folder: str) -> list[str]:
        """Return the paths of all objects below a folder, sorted."""
        prefix = check_path(folder) + "/"

        def found() -> list[str]:
            blobs = self._bucket.list_blobs(prefix=prefix, timeout=_TIMEOUT_S, retry=_RETRY)
            return sorted(blob.name for blob in blobs)

        return await _threaded(found)

    async def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of each object below a folder, by path; a call for each thousand."""
        prefix = check_path(folder) + "/"

        def found() -> dict[str, int]:
            blobs = self._bucket.list_blobs(prefix=prefix, timeout=_TIMEOUT_S, retry=_RETRY)
            return {blob.name: int(blob.size or 0) for blob in blobs}

        return await _threaded(found)

    async def stored(self, folder: str) -> AsyncIterator[StoredFile]:
        """Yield all objects below a folder, by path; a thousand at a time are asked for."""
        prefix = check_path(folder) + "/"
        listing = self._bucket.list_blobs(prefix=prefix, timeout=_TIMEOUT_S, retry=_RETRY)
        pages = listing.pages

        def following() -> list[StoredFile] | None:
            page = next(pages, None)
            if page is None:
                return None
            return [StoredFile(each.name, int(each.size or 0), each.generation) for each in page]

        while (found := await _threaded(following)) is not None:
            for each in found:
                yield each

    async def remove(self, file: StoredFile) -> bool:
        """Remove an object as it was listed; what was written under its name since stays."""
        blob = self._bucket.blob(file.path)
        try:
            await _threaded(
                lambda: blob.delete(
                    if_generation_match=file.version, timeout=_TIMEOUT_S, retry=_RETRY
                )
            )
        except FileNotFoundError:
            return False
        return True

    async def link(self, path: str, holds_s: float) -> str | None:
        """Return a V4 signed URL: cloud.google.com/storage/docs/access-control/signed-urls.

        Raises:
            PawfectError: UNAVAILABLE where Google does not sign for this account.
        """
        blob = self._bucket.blob(check_path(path))

        def signed() -> str | None:
            signing = _signing(self._signer)
            if signing is None:
                return None
            url: str = blob.generate_signed_url(
                version="v4",
                expiration=timedelta(seconds=holds_s),
                # Said outright: under an emulator's variable it would be that host.
                api_access_endpoint=ENDPOINT,
                **signing,
            )
            return url

        try:
            return await _threaded(signed)
        except GoogleAuthError as error:
            message = f"files: {type(error).__name__}"
            raise PawfectError(ErrorKind.UNAVAILABLE, message) from error


def _signing(signer: Any) -> dict[str, Any] | None:
    """Return what signs: the account's own key, or Google for an account whose key it keeps."""
    if isinstance(signer, Signing):
        return {"credentials": signer}
    # Those of a machine of Google's: IAM's signBlob.
    if not getattr(signer, "service_account_email", None):
        return None
    if not signer.valid:
        signer.refresh(Request())
    return {"service_account_email": signer.service_account_email, "access_token": signer.token}


class _ReplacedError(FileNotFoundError):
    """Another content has taken an object's place: what was asked for is there no more."""


async def _threaded(work: Callable[[], T]) -> T:
    with translated("files"):
        try:
            return await asyncio.to_thread(work)
        except PreconditionFailed as error:
            raise _ReplacedError("files: expected this file, got another one") from error
        except NotFound as error:
            raise FileNotFoundError("files: expected a file of this path, got none") from error
