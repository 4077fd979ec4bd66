"""An engine elsewhere, where operator and request both allow it: OpenAI's image edit by its SDK.

Any server that speaks that API will do. The picture leaves this machine; the key stays in the
request's header, and no message holds it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import importlib
import importlib.util
import time
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.photo.photo import decode_photo
from pawfect.refine.editing import Edited, EditTask, RemoteAnswer
from pawfect.refine.remote_settings import RemoteSettings
from pawfect.remote.budget import Budget
from pawfect.remote.refusals import kind_of, status_words
from pawfect.remote.settings import is_here

NAME: Final = "remote"
SDK: Final = "openai"
INSTALL: Final = "pip install 'pawfect[remote]'"
# Side, px, of the square of about the area at which such engines draw: 1.56 MP, what the largest
# of OpenAI's standard sizes, 1536x1024, has.
SIDE: Final = 1248
# Bytes of an answer: one picture of some 1.5 MP as PNG in base64 has at most 6 MB.
_MOST_BYTES: Final = 64 * 2**20


def is_installed() -> bool:
    """Say whether the SDK is installed."""
    return importlib.util.find_spec(SDK) is not None


class RemoteEngine:
    """Edits pictures elsewhere; see `pawfect.refine.editing.Edit`.

    Args:
        settings: where, and what it may cost.
    """

    sizes = (SIDE,)

    def __init__(self, settings: RemoteSettings) -> None:
        self.settings = settings
        self._budget = Budget(settings.allowance)

    async def __call__(self, task: EditTask) -> Edited:
        """Return what the engine drew.

        Cancelled, it closes the connection. Nothing is asked twice: each request may be charged.

        Raises:
            PawfectError: INVALID_ARG for what the engine refuses, with its own words; QUEUE_FULL
                where it has too many requests; DEADLINE where it is late; UNAVAILABLE where the
                budget is spent, it cannot be reached, or does not take the operator's key;
                INTERNAL for an answer that is no picture.
        """
        sdk = await asyncio.to_thread(importlib.import_module, SDK)
        # It stands on the package that the SDK brings.
        body = await asyncio.to_thread(importlib.import_module, "pawfect.remote.bounded_body")
        files = await asyncio.to_thread(_files, task)
        left = self._budget.take()
        began = time.monotonic()
        data = await self._asked(sdk, body, task, files)
        ms = (time.monotonic() - began) * 1000
        picture = await asyncio.to_thread(_decoded, data)
        answer = RemoteAnswer(self.settings.model, round(ms, 2), left)
        return Edited(picture, NAME, answer)

    async def _asked(self, sdk: Any, body: Any, task: EditTask, files: dict[str, Any]) -> Any:
        """Return the picture in the answer, base64."""
        height, width = task.picture.shape[:2]
        settings = self.settings
        # A redirection would take the picture to where the operator did not say.
        http = sdk.DefaultAsyncHttpxClient(
            trust_env=not is_here(settings.url),
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},
            event_hooks={"response": [body.bounded(_MOST_BYTES)]},
        )
        client = sdk.AsyncOpenAI(
            api_key=settings.key,
            base_url=settings.url,
            timeout=settings.timeout_s,
            max_retries=0,
            http_client=http,
        )
        try:
            async with client:
                answer = await client.images.edit(
                    model=settings.model,
                    prompt=task.words,
                    n=1,
                    size=f"{width}x{height}",
                    output_format="png",
                    **files,
                )
        except sdk.APITimeoutError:
            raise _failed(ErrorKind.DEADLINE, f"no answer within {settings.timeout_s} s") from None
        except sdk.APIStatusError as error:
            raise self._refused(error) from None
        except sdk.APIConnectionError:
            raise _failed(ErrorKind.UNAVAILABLE, "no connection to it") from None
        except body.BodyError as error:
            raise _failed(ErrorKind.INTERNAL, f"an answer that is {error}") from None
        except (sdk.OpenAIError, ValueError) as error:
            said = f"an answer that cannot be read ({type(error).__name__})"
            raise _failed(ErrorKind.INTERNAL, said) from None
        return _picture_of(answer)

    def _refused(self, error: Any) -> PawfectError:
        status, body = int(error.status_code), error.body
        kind = kind_of(status, refused=ErrorKind.INVALID_ARG)
        if error.code == "insufficient_quota":
            kind = ErrorKind.UNAVAILABLE
        said = body.get("message") if isinstance(body, dict) else None
        return _failed(kind, status_words(status, said, self.settings.key))


def _failed(kind: ErrorKind, got: str) -> PawfectError:
    return PawfectError(kind, f"{NAME}: expected a picture of the remote engine, got {got}")


def _files(task: EditTask) -> dict[str, Any]:
    """Return the pictures of a request as PNG files by the names of its fields."""
    pictures = [("picture.png", _png(task.picture), "image/png")]
    pictures += [("reference.png", _png(one), "image/png") for one in task.references]
    files: dict[str, Any] = {"image": pictures if len(pictures) > 1 else pictures[0]}
    if task.mask is not None:
        # Where it is transparent, the picture is to change.
        mask = np.dstack([task.picture, 255 - task.mask])
        files["mask"] = ("mask.png", _png(mask), "image/png")
    return files


def _png(picture: NDArray[np.uint8]) -> bytes:
    order = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
    written, data = cv2.imencode(".png", cv2.cvtColor(picture, order))
    if not written:
        raise PawfectError(ErrorKind.INTERNAL, f"{NAME}: a picture cannot be written as PNG")
    return bytes(data)


def _picture_of(answer: Any) -> str:
    """Return the one picture of an answer, base64; an address of one is not followed."""
    pictures = getattr(answer, "data", None)
    if not isinstance(pictures, list) or not pictures:
        raise _failed(ErrorKind.INTERNAL, "an answer without one")
    data = getattr(pictures[0], "b64_json", None)
    if not isinstance(data, str):
        raise _failed(ErrorKind.INTERNAL, "an answer without its content in base64")
    return data


def _decoded(data: str) -> NDArray[np.uint8]:
    try:
        return decode_photo(base64.b64decode(data, validate=True), NAME).pixels
    except binascii.Error:
        raise _failed(ErrorKind.INTERNAL, "what is no base64") from None
    except PawfectError as error:
        raise _failed(ErrorKind.INTERNAL, f"what is none: {error.message}") from None
