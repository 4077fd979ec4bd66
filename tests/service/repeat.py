"""A second kind of job, whose work needs no server and lasts as long as a test likes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import Scalar
from pawfect_service.jobs.fields import SceneLabels
from pawfect_service.jobs.kinds import Accepted, Made, OnProgress, Task, Tools


@dataclass(frozen=True)
class Times:
    """How often a text is written."""

    times: int = 1


class Repeat:
    """Writes a text several times, behind its `title` where there is one.

    Attributes:
        open: whether works come to their end; they wait for it.
        done: how many have.
        now: how many are under way.
        most: how many were so at once.
        idle: whether none is any more.
    """

    name = "repeat"
    fields: Mapping[str, bool] = {"text": True, "title": False}
    texts: tuple[str, ...] = ()
    inputs: Mapping[str, str] = {"text": "text.txt"}
    optional: Mapping[str, str] = {"title": "title.txt"}
    outputs: Mapping[str, str] = {"repeated": "repeated.txt", "length": "length.txt"}
    labelled = False
    varied: tuple[str, ...] = ("times",)
    picture = "repeated"
    signed = False

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.done = self.now = self.most = 0
        self.idle = asyncio.Event()

    def parse(self, parameters: Mapping[str, Scalar], texts: Mapping[str, str]) -> Times:
        times = parameters.get("times", 1)
        if isinstance(times, bool) or not isinstance(times, int) or set(parameters) - {"times"}:
            raise invalid("parameters", "times, an integer", dict(parameters))
        return Times(times)

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> dict[str, Scalar]:
        times = self.parse(parameters, {}).times
        return {"times": times} if parameters else {}

    def check(
        self,
        files: Mapping[str, bytes],
        parameters: Mapping[str, Scalar],
        texts: Mapping[str, str],
        *,
        headers_only: bool,
    ) -> Accepted:
        return Accepted(files)

    async def find_labels(self, files: Mapping[str, bytes], tools: Tools) -> SceneLabels:
        raise AssertionError("never asked")

    async def work(self, task: Task, tools: Tools, on_progress: OnProgress) -> Made:
        self.now += 1
        self.most = max(self.most, self.now)
        self.idle.clear()
        try:
            on_progress("repeat", 0.5)
            if not task.files["text"]:
                raise invalid("text", "some", "none")
            await self.open.wait()
            text = await tools.off_loop(bytes.__mul__, task.files["text"], task.parameters.times)
        finally:
            self.now -= 1
            if not self.now:
                self.idle.set()
        self.done += 1
        outputs = {"repeated": task.files.get("title", b"") + text, "length": b"%d" % len(text)}
        return Made(outputs, '{"engine": "repeat"}', 2.0)
