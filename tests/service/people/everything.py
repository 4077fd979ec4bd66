"""All that the API lets a user do that leaves something behind, with canaries in it."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from PIL import Image

from pawfect_service.jobs.kinds import KINDS, Made, OnProgress, Task, Tools
from pawfect_service.jobs.live import LiveCandidate, LiveSheet
from tests.pawfect.photo.pictures import encoded, hole, scene
from tests.service.stack import PATIENCE_S, Stack

RUNS = "/api/v1/runs"
# Of two candidates that can be compared.
_REPORT = {"candidates": [{"number": 0, "potential": 1.0}, {"number": 1, "potential": 2.0}]}


def telling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the work of every kind need no server, and give files and a report with a canary.

    What it says it reads off its inputs, as real work's pictures keep their photo's metadata.
    """
    for kind in set(map(type, KINDS.values())):

        async def work(self: Any, task: Task, tools: Tools, on_progress: OnProgress) -> Made:
            data = b"".join(task.files.values())
            start = data.find(b"canary")
            canary = data[start : start + 22]
            assert len(canary) == 22, "each job is given a picture with its owner's canary"
            on_progress("work", 0.5)
            on_progress.line(f"a line with {canary.decode()}")
            on_progress.preview(b"preview " + canary)
            candidate = LiveCandidate(number=0, phase="global", seed=1, variation="plain")
            sheet = LiveSheet(planned=2, columns=2, rows=1, ratio=1.0)
            on_progress.candidate(candidate, sheet)
            outputs = {name: name.encode() + b" " + data for name in self.outputs}
            return Made(outputs, json.dumps({**_REPORT, "said": canary.decode()}), 1.0)

        monkeypatch.setattr(kind, "work", work)


@dataclass
class Person:
    """Somebody who uses everything.

    Attributes:
        stack: the API.
        uid: the user's id.
        headers: credentials.
        canary: what stands in every text and picture.
        run: the route of the run, once there is one.
        called: methods and routes that were called.
    """

    stack: Stack
    uid: str
    headers: Mapping[str, str]
    canary: str = field(default_factory=lambda: f"canary{secrets.token_hex(8)}")
    run: str = ""
    called: set[tuple[str, str]] = field(default_factory=set)

    @property
    def photo(self) -> bytes:
        exif = Image.Exif()
        exif[0x010E] = self.canary
        return encoded(scene(96, 80), "JPEG", quality=92, exif=exif)

    @property
    def mask(self) -> bytes:
        return encoded(hole(96, 80), "PNG")

    async def call(self, method: str, route: str, path: str = "", **given: Any) -> Any:
        """Call a route and return its JSON; `path` is the route with its names filled in."""
        self.called.add((method, route))
        answer: httpx.Response = await self.stack.http.request(
            method, path or route, headers=self.headers, **given
        )
        assert answer.status_code < 300, f"{method} {path or route}: {answer.text}"
        return answer.json() if answer.content else None

    async def of_run(self, method: str, rest: str, version: int = 0, **given: Any) -> Any:
        """Call a route of the run."""
        path = f"{self.run}{rest}".format(version=version)
        return await self.call(method, f"{RUNS}/{{run_id}}{rest}", path, **given)

    async def completed(self, versions: int) -> dict[str, Any]:
        """The run once so many versions are completed."""
        return await self.until(
            self.run,
            lambda state: (
                [v["processingStatus"] for v in state["versions"]] == ["completed"] * versions
            ),
        )

    async def until(self, path: str, holds: Callable[[Any], bool]) -> Any:
        limit = time.monotonic() + PATIENCE_S
        while True:
            state = (await self.stack.http.get(path, headers=self.headers)).json()
            if holds(state):
                return state
            assert time.monotonic() < limit, state
            await asyncio.sleep(0.05)


async def do_everything(one: Person) -> None:
    """Leave something behind by every route; jobs of all kinds are completed, some are not."""
    photo, mask, stack = one.photo, one.mask, one.stack
    parameters = {"parameters": json.dumps({"seed": 7})}
    consent = {"parameters": json.dumps({"seed": 7, "consent": True})}
    prompt = {"prompt": one.canary}
    sessions = "/v1/users/{uid}/sessions/{sid}"
    here = f"/v1/users/{one.uid}/sessions/{one.canary}"
    pictures = {"photo": photo, "mask": mask}
    # A session, once more by what is in storage, and one that is cancelled.
    await stack.files.put({f"users/{one.uid}/uploads/{one.canary}.jpg": photo})
    await stack.files.put({f"users/{one.uid}/uploads/mask.png": mask})
    inpaint = f"{sessions}/inpaint"
    await one.call(
        "POST", inpaint, f"{here}/inpaint", files=pictures, data={**parameters, **prompt}
    )
    await one.until(here, lambda state: state["processingStatus"] == "completed")
    stored = {name: f"users/{one.uid}/uploads/{file}" for name, file in
              {"photo": f"{one.canary}.jpg", "mask": "mask.png"}.items()}  # fmt: skip
    await one.call("POST", inpaint, f"{here}-b/inpaint", json={**stored, "prompt": one.canary})
    await one.call("DELETE", sessions, f"{here}-b")
    # A run of every kind.
    made = await one.call("POST", RUNS, f"{RUNS}?kind=import", files={"photo": photo})
    one.run = f"{RUNS}/{made['runId']}"
    await one.completed(1)
    uploaded = await one.of_run("POST", "/files", files={"file": photo})
    await one.of_run("POST", "/inpaint", files={"mask": mask}, data={"base": "1", **prompt})
    await one.completed(2)
    # The work's pictures are none that another could work on.
    base = {"base": "0"}
    await one.of_run("POST", "/cutout", json={"base": 0})
    await one.of_run("POST", "/search", files={"mask": mask}, data={**base, **parameters})
    await one.of_run("POST", "/swap", files={"reference": photo}, data={**base, **consent})
    subject = {"referenceFileId": uploaded["fileId"], "instructions": one.canary}
    await one.of_run("POST", "/refine", json={"type": "subject", "payload": subject, "base": 0})
    state = await one.completed(6)
    assert {version["kind"] for version in state["versions"]} == {
        "import", "inpaint", "cutout", "search", "swap", "refine",
    }  # fmt: skip
    # What people say of it.
    await one.of_run("POST", "/feedback", json={"rating": 2, "comment": one.canary, "version": 2})
    choice = {"version": 4, "left": 0, "right": 1, "choice": "left"}
    await one.of_run("POST", "/comparisons", json=choice)
    # What ends nothing any more.
    await one.of_run("DELETE", "/versions/{version}", version=2)
    await one.of_run("DELETE", "")
