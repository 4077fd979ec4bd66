"""The flow of `flow.py` as the one that `--local` finds, and what is searched with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pawfect_client.search.command import search
from tests.client.search.flow import Flow
from tests.lawn import holes, lawn
from tests.pawfect.photo.pictures import png

PHOTO = lawn(72, 96)
MASK = holes(72, 96, (30, 20, 50, 44))
ENTRY_POINTS = """[pawfect.flows]
search = tests.client.search.flow:Flow
[pawfect.commands]
search = pawfect_client.search.command:search
"""


def installed_in(folder: Path) -> Path:
    """Return a folder that, on Python's path, has the flow found."""
    package = folder / "installed" / "flow_of_tests-0.dist-info"
    package.mkdir(parents=True)
    (package / "entry_points.txt").write_text(ENTRY_POINTS)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: flow-of-tests\nVersion: 0\n")
    return package.parent


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Flow]]:
    """The flow's class, as it was when the test began."""
    monkeypatch.syspath_prepend(installed_in(tmp_path))
    for name in ("failing", "late", "refused", "hold"):
        monkeypatch.setattr(Flow, name, getattr(Flow, name))
    monkeypatch.setattr(Flow, "requests", [])
    monkeypatch.setattr(Flow, "made", [])
    return Flow


@dataclass
class Desk:
    """A folder with a photo and a mask, and the command run there."""

    root: Path

    @property
    def out(self) -> Path:
        return self.root / "out"

    def task(self, name: str = "photo") -> Path:
        return self.out / f"task_{name}"

    def metrics(self, name: str = "photo") -> Any:
        return json.loads((self.task(name) / "metrics.json").read_text())

    def put(self, name: str, data: bytes | str) -> str:
        path = self.root / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    def __call__(self, *options: str, photo: bool = True) -> Any:
        files = [str(self.root / name) for name in ("photo.png", "mask.png")] if photo else []
        fixed = [*files, "--output-dir", str(self.out), "--local"]
        return CliRunner().invoke(search, [*fixed, *options])

    def tasks(self, entries: Any, *options: str) -> Any:
        given = entries if isinstance(entries, str) else json.dumps(entries)
        path = self.put("project-label.json", given)
        cache = str(self.root / "cache")
        return self("--from-file", path, "--cache", cache, *options, photo=False)


@pytest.fixture
def desk(flow: type[Flow], tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.put("photo.png", png(PHOTO))
    made.put("mask.png", png(MASK))
    return made
