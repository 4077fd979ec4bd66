"""The judge Gemini, by Google's own SDK: one call per judgement, answered by a JSON schema."""

from __future__ import annotations

import asyncio
import importlib
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property, partial
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.scores import Judgement
from pawfect.judges.answers import Answer, read_answer
from pawfect.judges.asking import Asked, Asker, CallError, Said, dropped, refused, unreadable
from pawfect.judges.judged import Axis, axes_of, judgement, no_score
from pawfect.judges.pictures import Shown, jpeg
from pawfect.judges.retry_after import retry_after_s, retry_delay_s
from pawfect.judges.rubric import Rubric
from pawfect.judges.settings import GEMINI, JudgeSettings
from pawfect.remote.bounded_body import BodyError, bounded
from pawfect.remote.refusals import own_words
from pawfect.remote.settings import is_here

SDK: Final = "google.genai"
# Of Gemini's REST; its own default has no JSON schemas.
_VERSION: Final = "v1beta"
# Tokens of an answer: numbers and a sentence, and what a model thinks before.
_MOST_TOKENS: Final = 2048
# Bytes of an answer: one has a few thousand, with what a model thought some ten thousand.
MOST_BYTES: Final = 1_048_576
# An answer that ends so is one; all other ends are refusals.
_ENDS: Final = ("STOP", "MAX_TOKENS")
# What the SDK raises over an answer that is not its API's.
_UNREADABLE: Final = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


class Gemini:
    """See `pawfect.judges.judged.Judge`.

    Args:
        settings: where, and what it may cost.
        rubric: what is asked.
        asker: asks; None: one of its own.

    Raises:
        ImportError: the SDK is not here, or lacks a package.
    """

    def __init__(self, settings: JudgeSettings, rubric: Rubric, asker: Asker | None = None) -> None:
        self._settings, self._rubric = settings, rubric
        self._asker = asker or Asker(settings)
        self._sdk: Any = importlib.import_module(SDK)
        self._httpx: Any = importlib.import_module("httpx2")

    async def judge(self, pictures: Shown, until: float) -> Judgement:
        """Return what Gemini says; see `Judge.judge`.

        Raises:
            PawfectError: UNAVAILABLE where it is not reached, refuses, or the budget is spent;
                QUEUE_FULL, DEADLINE; INTERNAL for an answer without a score.
        """
        began, axes = time.monotonic(), axes_of(pictures)
        contents, config = await asyncio.to_thread(self._request, pictures, axes)
        async with self._client() as client:
            send = partial(self._send, client, contents, config)
            asked = await self._asker.ask(send, until)
        return judgement(GEMINI, self._axes(asked, axes), [asked], began)

    def _axes(self, asked: Asked, axes: Sequence[str]) -> list[Axis]:
        if asked.said is None:
            return [Axis(axis, error=asked.error) for axis in axes]
        try:
            answer = read_answer(asked.said.text, axes, self._rubric.flaws)
        except PawfectError as error:
            return [Axis(axis, error=error) for axis in axes]
        return [self._axis(axis, answer) for axis in axes]

    def _axis(self, name: str, answer: Answer) -> Axis:
        if name in answer.silent:
            return Axis(name, error=no_score(answer.silent[name]))
        given = answer.numbers[name]
        notes = tuple(flaw.replace("_", " ") for flaw in answer.flaws)
        remark = own_words(answer.remark, self._settings.key)
        return Axis(
            name,
            self._rubric.capped(name, given, answer.flaws),
            parts={f"{name}_given": given},
            notes=(*notes, remark) if remark else notes,
        )

    def _request(self, pictures: Shown, axes: Sequence[str]) -> tuple[list[Any], Any]:
        types = self._sdk.types
        shown = [pictures.original, pictures.result, pictures.reference]
        parts = [
            types.Part.from_bytes(data=jpeg(one), mime_type="image/jpeg")
            for one in shown
            if one is not None
        ]
        config = types.GenerateContentConfig(
            response_mime_type="application/json",
            response_json_schema=self._rubric.schema(axes),
            max_output_tokens=_MOST_TOKENS,
            # Nothing here is called by the model, and no second request is sent behind the
            # budget's back.
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            automatic_continuation=False,
        )
        return [*parts, self._rubric.prompt(axes)], config

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Any]:
        """Give the SDK's async client over connections that end with the block."""
        sdk, httpx, url = self._sdk, self._httpx, self._settings.url
        given: dict[str, Any] = {
            "timeout": self._settings.timeout_s,
            # A redirection would take the pictures to where the operator did not say.
            "follow_redirects": False,
            "trust_env": not is_here(url),
            "verify": await asyncio.to_thread(lambda: self._tls),
        }
        hooks = {"response": [bounded(MOST_BYTES)]}
        body = {"headers": {"Accept-Encoding": "identity"}, "event_hooks": hooks}
        # The SDK makes a client for calls that wait, too, whatever it is used for.
        with httpx.Client(**given) as waiting:
            async with httpx.AsyncClient(**given, **body) as connections:
                options = sdk.types.HttpOptions(
                    base_url=url,
                    api_version=_VERSION,
                    httpx_client=waiting,
                    httpx_async_client=connections,
                    # Else the SDK makes one of its own each time, for sockets that are not opened.
                    async_client_args={"ssl": self._tls},
                )
                made = partial(sdk.Client, vertexai=False, api_key=self._settings.key)
                yield (await asyncio.to_thread(made, http_options=options)).aio

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """What certificates are checked by: reading them takes 35 ms of CPU."""
        if self._settings.url.startswith("https:"):
            made: ssl.SSLContext = self._httpx.create_ssl_context()
            return made
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def _send(self, client: Any, contents: list[Any], config: Any, model: str) -> Said:
        sdk, httpx = self._sdk, self._httpx
        try:
            answer = await client.models.generate_content(
                model=model, contents=contents, config=config
            )
            return self._said(answer, model)
        except sdk.errors.APIError as error:
            header = retry_after_s(getattr(error.response, "headers", {}).get("Retry-After"))
            after = retry_delay_s(error.details) if header is None else header
            raise refused(self._settings, error.code, error.message, after) from None
        except httpx.TransportError:
            raise dropped(self._settings) from None
        except BodyError as error:
            raise unreadable(self._settings, f"one that is {error}") from None
        except (*_UNREADABLE, httpx.HTTPError) as error:
            raise unreadable(self._settings, f"another ({type(error).__name__})") from None

    def _said(self, answer: Any, model: str) -> Said:
        """Return the text of an answer.

        Raises:
            CallError: it is a refusal, or has no text.
        """
        feedback, candidates = answer.prompt_feedback, answer.candidates or []
        reason = feedback.block_reason if feedback else None
        if candidates and not reason:
            end = candidates[0].finish_reason
            reason = None if end is None or end.name in _ENDS else end
        if reason:
            message = f"{GEMINI}: expected scores, got a refusal ({reason.name})"
            raise CallError(PawfectError(ErrorKind.UNAVAILABLE, message))
        if not candidates:
            raise unreadable(self._settings, "one without candidates")
        if not answer.text:
            raise unreadable(self._settings, "one without a text")
        by = own_words(answer.model_version, self._settings.key)
        return Said(answer.text, by or model)
