"""The judge Moondream, by its own client, in its cloud or on a server of the operator's.

It sees one picture per question. So the photo before and after, and the reference and the result,
stand side by side in one. Identity is asked by two questions that must agree, likeness and
difference, each both ways round: such models prefer one side.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import importlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError
from pawfect.contract.scores import BEST, CONSISTENCY, IDENTITY, REALISM, Judgement
from pawfect.judges.answers import Answer, read_answer
from pawfect.judges.asking import Asked, Asker, Said, dropped, refused, unreadable
from pawfect.judges.exchange import Exchange, StatusError, TooLargeError, client_module
from pawfect.judges.judged import Axis, judgement, no_score
from pawfect.judges.pictures import Shown, jpeg, side_by_side
from pawfect.judges.retry_after import retry_after_s
from pawfect.judges.rubric import DIFFERENCE, LIKENESS, Rubric
from pawfect.judges.settings import MOONDREAM, JudgeSettings

# Questions at a time: its cloud takes two requests a second of a new account.
AT_ONCE: Final = 2
# Of the answers about identity, how far apart they may be, of 10: beyond it they contradict each
# other, and their mean would be a score that nobody gave.
AGREE_WITHIN: Final = 4.0
# Tokens of an answer.
_MOST_TOKENS: Final = 256
# What the client raises over an answer that is not its API's.
_UNREADABLE: Final = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


@dataclass(frozen=True, eq=False)
class _Question:
    """One picture, the text, and the key of the number that is to come back."""

    picture: NDArray[np.uint8]
    text: str
    key: str


class Moondream:
    """See `pawfect.judges.judged.Judge`.

    Args:
        settings: where, and what it may cost.
        rubric: what is asked.
        asker: asks; None: one of its own.

    Raises:
        ImportError: the client is not here, or lacks a package.
    """

    def __init__(self, settings: JudgeSettings, rubric: Rubric, asker: Asker | None = None) -> None:
        self._settings, self._rubric = settings, rubric
        self._asker = asker or Asker(settings)
        self._client = client_module()

    async def judge(self, pictures: Shown, until: float) -> Judgement:
        """Return what Moondream says; see `Judge.judge`.

        Raises:
            PawfectError: as `pawfect.judges.gemini.Gemini.judge`.
        """
        began = time.monotonic()
        questions = await asyncio.to_thread(self._questions, pictures)
        places = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(self._ask(q, places, until)) for q in questions]
        asked = [task.result() for task in asking]
        read = [self._read(*pair) for pair in zip(questions, asked, strict=True)]
        axes = [self._axis(name, one) for name, one in zip(_SINGLE, read, strict=False)]
        if pictures.reference is not None:
            axes.append(_identity(read[len(_SINGLE) :]))
        return judgement(MOONDREAM, axes, asked, began)

    def _questions(self, pictures: Shown) -> list[_Question]:
        rubric = self._rubric
        both = side_by_side(pictures.original, pictures.result)
        seen = {CONSISTENCY: both, REALISM: pictures.result}
        questions = [_Question(seen[axis], rubric.single_prompt(axis), axis) for axis in _SINGLE]
        if pictures.reference is not None:
            pair = (pictures.reference, pictures.result)
            ways = [side_by_side(*pair), side_by_side(*pair[::-1])]
            questions += [
                _Question(way, rubric.identity_prompt(key), key)
                for key in (LIKENESS, DIFFERENCE)
                for way in ways
            ]
        return questions

    async def _ask(self, question: _Question, places: asyncio.Semaphore, until: float) -> Asked:
        async with places:
            return await self._asker.ask(partial(self._send, question), until)

    async def _send(self, question: _Question, model: str) -> Said:
        settings = self._settings
        key = settings.key or None
        speaker = self._client.CloudVL(endpoint=settings.url, api_key=key, model=model)
        # The wait for the whole answer, which `Asker` bounds, ends before that for a part of it.
        exchange = Exchange(settings.url, settings.timeout_s + 1)
        try:
            text = await exchange.run(partial(_answer, speaker, question))
        except StatusError as error:
            after = retry_after_s(error.retry_after)
            raise refused(settings, error.status, _why(error.body), after) from None
        except TooLargeError:
            raise unreadable(settings, "one that is too large") from None
        except (OSError, http.client.HTTPException):
            raise dropped(settings) from None
        except _UNREADABLE as error:
            raise unreadable(settings, f"another ({type(error).__name__})") from None
        if not isinstance(text, str):
            raise unreadable(settings, "one without a text")
        return Said(text, model)

    def _read(self, question: _Question, asked: Asked) -> Answer | PawfectError:
        if asked.said is None:
            assert asked.error is not None
            return asked.error
        try:
            answer = read_answer(asked.said.text, (question.key,), self._rubric.flaws)
        except PawfectError as error:
            return error
        silent = answer.silent.get(question.key)
        return no_score(silent) if silent else answer

    def _axis(self, name: str, read: Answer | PawfectError) -> Axis:
        if isinstance(read, PawfectError):
            return Axis(name, error=read)
        given = read.numbers[name]
        return Axis(
            name,
            self._rubric.capped(name, given, read.flaws),
            parts={f"{name}_given": given},
            notes=tuple(flaw.replace("_", " ") for flaw in read.flaws),
        )


# The axes that are asked by one question each, in this order.
_SINGLE: Final = (CONSISTENCY, REALISM)


def _answer(speaker: Any, question: _Question) -> object:
    """Ask by the client, in the exchange's thread."""
    types = importlib.import_module("moondream.types")
    data = base64.b64encode(jpeg(question.picture)).decode()
    picture = types.Base64EncodedImage(image_url=f"data:image/jpeg;base64,{data}")
    settings = {"temperature": 0.0, "max_tokens": _MOST_TOKENS}
    return speaker.query(picture, question.text, settings=settings)["answer"]


def _identity(read: Sequence[Answer | PawfectError]) -> Axis:
    """Return identity: the mean of likeness and what difference leaves, both ways round."""
    said = list[float]()
    for one, key in zip(read, (LIKENESS, LIKENESS, DIFFERENCE, DIFFERENCE), strict=True):
        if isinstance(one, PawfectError):
            return Axis(IDENTITY, error=one)
        number = one.numbers[key]
        said.append(number if key == LIKENESS else BEST - number)
    likeness, difference = sum(said[:2]) / 2, BEST - sum(said[2:]) / 2
    parts = {f"{IDENTITY}_{LIKENESS}": likeness, f"{IDENTITY}_{DIFFERENCE}": difference}
    if max(said) - min(said) > AGREE_WITHIN:
        told = ", ".join(f"{one:g}" for one in said)
        reason = f"{IDENTITY}: expected answers that agree within {AGREE_WITHIN:g}, got {told}"
        return Axis(IDENTITY, error=no_score(reason), parts=parts)
    return Axis(IDENTITY, sum(said) / len(said), parts=parts)


def _why(body: bytes) -> str | None:
    """Return what an error's body says of it."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    said = given.get("error", given) if isinstance(given, dict) else None
    message = said.get("message", said.get("detail")) if isinstance(said, dict) else said
    return message if isinstance(message, str) else None
