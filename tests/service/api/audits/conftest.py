"""An API with audits whose command needs no server, and a session to audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pawfect_service.api.app import ApiSettings
from pawfect_service.http.callers import ApiKeys, new_api_key
from tests.service.stack import ROUTE, Stack, running

AUDIT = f"{ROUTE}/audit"
# Where the command is found before the real one.
PROCESS = Path(__file__).parent / "process"


@dataclass(frozen=True)
class Keys:
    """Keys of an admin for every user, of an admin for user `v`, and of user `u`."""

    lines: tuple[str, ...]
    admin: str
    others: str
    user: str


@pytest.fixture(scope="session")
def keys() -> Keys:
    admin, first = new_api_key("ops", "*", admin=True)
    others, second = new_api_key("ops-v", "v", admin=True)
    user, third = new_api_key("phone", "u")
    return Keys((first, second, third), admin, others, user)


@dataclass(frozen=True)
class Audited:
    """An API whose caller is an admin."""

    stack: Stack
    root: Path
    settings: ApiSettings | None = None
    headers: Mapping[str, str] | None = None

    @property
    def folder(self) -> Path:
        return self.root / "u" / "s"

    async def start(self, matrix: str = "three", sid: str = "s", **fields: Any) -> httpx.Response:
        body = {"parameters": {"matrix": matrix, **fields.pop("parameters", {})}, **fields}
        return await self.stack.http.post(f"/v1/users/u/sessions/{sid}/audit", json=body)

    async def started(self, matrix: str = "three", **fields: Any) -> dict[str, Any]:
        answer = await self.start(matrix, **fields)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    async def state(self) -> dict[str, Any]:
        return await self.stack.state(where=AUDIT)

    async def until(self, holds: Any) -> dict[str, Any]:
        """The audit's state once `holds` is true of it."""
        return await self.stack.until(holds, where=AUDIT)

    async def over(self) -> dict[str, Any]:
        return await self.until(lambda state: state["status"] != "running")

    async def under_way(self) -> dict[str, Any]:
        """The state once one cell is in the journal of this start."""
        return await self.until(lambda state: state["progress"] and state["progress"]["ran"])


@asynccontextmanager
async def audited(store: str, nowhere: str, root: Path, keys: Keys) -> AsyncIterator[Audited]:
    """Run an API with audits, and a session whose job was queued and cancelled."""
    headers, authenticators = {"x-api-key": keys.admin}, [ApiKeys(keys.lines)]
    settings = ApiSettings(authenticators, "100000/minute", audits=root)
    async with running(store, nowhere, authenticators, headers=headers, audits=root) as stack:
        if await stack.documents.get("u", "s") is None:
            assert (await stack.post()).status_code == 202
            await stack.cancel()
        yield Audited(stack, root, settings, headers)


@pytest.fixture
def small_audits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have processes find the command of `process/`; this process's own folder would come first."""
    monkeypatch.setenv("PYTHONPATH", str(PROCESS))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of all audits."""
    return tmp_path / "audits"


@pytest.fixture
async def audits(
    store: str, nowhere: str, root: Path, keys: Keys, small_audits: None
) -> AsyncIterator[Audited]:
    async with audited(store, nowhere, root, keys) as api:
        yield api
