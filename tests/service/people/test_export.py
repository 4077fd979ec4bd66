"""A copy of all that is kept of a user: whole, streamed, nobody else's."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
import subprocess
import tracemalloc
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawfect_service.api.people import routes
from pawfect_service.people.deletion import Deletions
from pawfect_service.people.export import Export
from pawfect_service.people.kept import Check, Kept
from pawfect_service.people.zip_stream import ZipStream, safe_path
from pawfect_service.stores.base import PIECE, OpenedFile
from tests.service.people.everything import do_everything, telling
from tests.service.people.test_deletion import town
from tests.service.people.test_late import ordered
from tests.service.repeat import Repeat
from tests.service.stack import Stack

UID = "u"


async def exported(stack: Stack, uid: str = UID, **headers: str) -> zipfile.ZipFile:
    answer = await stack.http.get(f"/v1/users/{uid}/export", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].startswith('attachment; filename="pawfect-20')
    assert answer.headers["cache-control"] == "no-store"
    return opened(answer.content)


def opened(data: bytes) -> zipfile.ZipFile:
    """A ZIP whose manifest is held against what is in it."""
    found = zipfile.ZipFile(io.BytesIO(data))
    assert found.testzip() is None
    names = found.namelist()
    assert names[-1] == "manifest.json"
    entries = json.loads(found.read("manifest.json"))["entries"]
    assert [each["path"] for each in entries] == names[:-1]
    for each in entries:
        content = found.read(each["path"])
        assert len(content) == each["size"]
        assert hashlib.sha256(content).hexdigest() == each["sha256"]
    return found


@pytest.mark.parametrize(
    "store_url", ["embedded", pytest.param("google", marks=pytest.mark.slow)], indirect=True
)
async def test_an_export_has_all_of_its_user_and_nothing_of_another(
    store_url: str, nowhere: str, uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling(monkeypatch)
    async with AsyncExitStack() as stack:
        there = await town(stack, store_url, nowhere, uid)
        one, other = there.one, there.other
        async with there.stack.working(jobs=1):
            for person in (one, other):
                await do_everything(person)
        before = await there.stack.files.list(f"users/{one.uid}")
        found = await exported(there.stack, one.uid, **dict(one.headers))
        names = set(found.namelist())
        token = one.run.rpartition("/")[2].partition(".")[0]
        run = f"runs/{token}"
        state = json.loads(found.read(f"{run}/run.json"))
        assert [version["version"] for version in state["versions"]] == [1, 2, 3, 4, 5, 6]
        # Every document, as it is stored.
        async for sid, document in there.stack.documents.of_user(one.uid):
            at = f"sessions/{sid}" if sid[:4] != "run-" else f"{run}/versions/{sid[-4:]}"
            assert json.loads(found.read(f"{at}/job.json")) == document
        # Every file, byte for byte.
        files = [name for name in names if not name.endswith(".json")]
        kept = [path for path in before if "attempts" not in path]
        stored = sorted([await there.stack.files.get(path) for path in kept])
        assert sorted(map(found.read, files)) == stored
        assert f"{run}/versions/0005/files/candidates.jpg" in names
        assert f"other/uploads/{one.canary}.jpg" in names
        assert len([name for name in names if name.startswith(f"{run}/references/")]) == 1
        ratings = json.loads(found.read("ratings.json"))["ratings"]
        assert {tuple(sorted(each)) for each in ratings} == {
            ("jobFeedback", "sid"), ("jobComparisons", "sid"),
        }  # fmt: skip
        # Consent to a swap stands in its job.
        assert json.loads(found.read(f"{run}/versions/0005/job.json"))["request"]["consent"] is True
        whole = b"".join(map(found.read, names)) + "".join(names).encode()
        assert other.canary.encode() not in whole
        assert other.uid.encode() not in whole
        assert one.canary.encode() in whole


async def test_who_has_nothing_gets_an_empty_copy(alone: Stack) -> None:
    found = await exported(alone, "nobody")
    assert found.namelist() == ["ratings.json", "consents.json", "manifest.json"]
    assert json.loads(found.read("ratings.json")) == {"ratings": []}
    manifest = json.loads(found.read("manifest.json"))
    assert (manifest["user"], manifest["missing"]) == ("nobody", [])


async def test_what_another_row_of_the_table_exports_is_there_too(alone: Stack) -> None:
    async def delete(uid: str, check: Check) -> int:
        return 0

    async def consents(uid: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        yield "consents.json", {"consents": [uid]}

    kept = [Kept("consents", delete, consents)]
    pieces = Export(alone.services, kept, UID).pieces()
    found = opened(b"".join([piece async for piece in pieces]))
    assert json.loads(found.read("consents.json")) == {"consents": [UID]}


async def test_odd_names_and_odd_documents_are_exported(alone: Stack, store: str) -> None:
    folder = Path(store.partition(":")[2]) / "files" / "users" / UID / "uploads"
    folder.mkdir(parents=True)
    odd = ("a b.jpg", "CON.jpg", "Ü.jpg", "a:b", "x.", "A.JPG", "a.jpg")
    for name in odd:
        (folder / name).write_text(name)
    await alone.edit_of(UID, "odd", {"a": float("nan"), "half": "\ud800", "job": 5})
    found = await exported(alone)
    names = found.namelist()
    read = sorted(found.read(name).decode() for name in names if name.startswith("other/"))
    assert read == sorted(odd)
    assert len({name.casefold() for name in names}) == len(names)
    assert json.loads(found.read("sessions/odd/job.json"))["job"] == 5


async def test_a_file_that_vanishes_meanwhile_is_said_to_be_missing(
    alone: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = alone.files
    await files.put({f"users/{UID}/uploads/{name}": b"x" for name in ("a", "b")})
    inner = files.read

    async def read(file: Any) -> OpenedFile:
        if file.path.endswith("/a"):
            await files.delete(file.path)
        return await inner(file)

    monkeypatch.setattr(files, "read", read)
    found = await exported(alone)
    assert json.loads(found.read("manifest.json"))["missing"] == ["other/uploads/a"]
    assert "other/uploads/b" in found.namelist()


async def test_a_file_that_vanishes_while_it_is_sent_is_missing_and_the_copy_has_its_end(
    alone: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = alone.files
    await files.put({f"users/{UID}/uploads/{name}": b"xy" for name in ("a", "b")})
    inner = files.read

    async def read(file: Any) -> OpenedFile:
        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"x"
            raise FileNotFoundError("files: expected a file of this path, got none")

        return OpenedFile(2, pieces()) if file.path.endswith("/a") else await inner(file)

    monkeypatch.setattr(files, "read", read)
    found = await exported(alone)
    manifest = json.loads(found.read("manifest.json"))
    assert manifest["missing"] == ["other/uploads/a"]
    sizes = {each["path"]: each["size"] for each in manifest["entries"]}
    assert (sizes["other/uploads/a"], sizes["other/uploads/b"]) == (1, 2)


class Endless:
    """A file of so many bytes, made as it is read.

    Attributes:
        read: pieces that were read.
        closed: set once nobody reads any more.
    """

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces
        self.read, self.closed = 0, asyncio.Event()

    async def open(self, file: Any) -> OpenedFile:
        return OpenedFile(self._pieces * PIECE, self._made())

    async def _made(self) -> AsyncGenerator[bytes, None]:
        try:
            for number in range(self._pieces):
                self.read += 1
                yield bytes([number % 251]) * PIECE
        finally:
            self.closed.set()


async def test_a_big_export_is_never_in_memory(
    alone: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alone.files.put({f"users/{UID}/uploads/big": b"x"})
    endless = Endless(40)
    monkeypatch.setattr(alone.files, "read", endless.open)
    most, length = 0, 0
    tracemalloc.start()
    try:
        async for piece in Export(alone.services, (), UID).pieces():
            length += len(piece)
            most = max(most, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert length > 40 * PIECE
    # Of 160 MiB a few pieces at a time.
    assert most < 6 * PIECE


async def test_an_export_whose_client_has_left_ends(
    alone: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alone.files.put({f"users/{UID}/uploads/big": b"x"})
    endless = Endless(100_000)
    monkeypatch.setattr(alone.files, "read", endless.open)
    async with alone.http.stream("GET", f"/v1/users/{UID}/export") as answer:
        async for _ in answer.aiter_bytes():
            if endless.read > 2:
                break
    await asyncio.wait_for(endless.closed.wait(), 20)
    assert endless.read < 1000
    people: routes.People = alone.app.state.people
    while people._exports:
        await asyncio.sleep(0.01)


async def test_one_export_too_many_at_a_time_is_refused(
    alone: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "EXPORTS_AT_ONCE", 1)
    people: routes.People = alone.app.state.people
    pieces = people.export(UID)
    await anext(pieces)
    answer = await alone.http.get(f"/v1/users/{UID}/export")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (429, "QUEUE_FULL")
    await pieces.aclose()
    await exported(alone)


async def test_one_users_exports_leave_room_for_the_others(alone: Stack) -> None:
    people: routes.People = alone.app.state.people
    pieces = people.export(UID)
    await anext(pieces)
    answer = await alone.http.get(f"/v1/users/{UID}/export")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (429, "QUEUE_FULL")
    await exported(alone, "another")
    await pieces.aclose()
    await exported(alone)


async def test_an_export_that_breaks_off_is_no_whole_zip(
    alone: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alone.files.put({f"users/{UID}/uploads/a": b"x"})

    async def broken(file: Any) -> OpenedFile:
        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"x"
            raise OSError("gone")

        return OpenedFile(2, pieces())

    monkeypatch.setattr(alone.files, "read", broken)
    got: list[bytes] = []

    async def fetched() -> None:
        async with alone.http.stream("GET", f"/v1/users/{UID}/export") as answer:
            async for piece in answer.aiter_bytes():
                got.append(piece)

    with pytest.raises(httpx.RemoteProtocolError):
        await fetched()
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(got)))


async def test_an_export_while_the_user_is_deleted_ends_well(alone: Stack, repeat: Repeat) -> None:
    for number in range(5):
        await ordered(alone, f"s{number}", UID)
    pieces = Export(alone.services, (), UID).pieces()
    first = await anext(pieces)
    await Deletions(alone.services).delete(UID)
    opened(first + b"".join([piece async for piece in pieces]))


async def test_another_program_reads_the_zip(alone: Stack, repeat: Repeat, tmp_path: Path) -> None:
    await ordered(alone, "s", UID)
    answer = await alone.http.get(f"/v1/users/{UID}/export")
    (tmp_path / "a.zip").write_bytes(answer.content)
    program = shutil.which("unzip") or shutil.which("bsdtar") or shutil.which("7z")
    if program is None:
        pytest.skip("no program beside Python's own that reads ZIP")
    test = ["-tf"] if program.endswith("bsdtar") else ["-t"] if program.endswith("unzip") else ["t"]
    subprocess.run([program, *test, tmp_path / "a.zip"], check=True, capture_output=True)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("runs/a/run.json", "runs/a/run.json"),
        ("../../etc/passwd", "_/_/etc/passwd"),
        ("/etc/passwd", "_/etc/passwd"),
        ("a\\b", "a_b"),
        ("a/./b", "a/_/b"),
        ("C:evil", "C_evil"),
        ("nul/COM1.txt", "_nul/_COM1.txt"),
        ("trailing. ", "trailing_"),
        ("line\nbreak\x00", "line_break_"),
        ("x" * 300, "x" * 150),
    ],
)
def test_a_path_stays_below_where_it_is_unpacked_on_any_system(path: str, safe: str) -> None:
    assert safe_path(path) == safe


@settings(max_examples=60)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_no_name_leads_out_or_means_another_file(paths: list[str]) -> None:
    async def written() -> list[str]:
        async def off_loop(work: Any, *args: Any) -> Any:
            return work(*args)

        async def none() -> AsyncGenerator[bytes, None]:
            yield b""

        archive = ZipStream(off_loop)
        for path in paths:
            [piece async for piece in archive.entry(path, none())]
        return [each.path for each in archive.written]

    names = asyncio.run(written())
    assert len({name.casefold() for name in names}) == len(paths)
    for name in names:
        parts = name.split("/")
        assert not set(parts) & {"", ".", ".."}
        assert all(part == part.strip(" ").rstrip(".") and part.isprintable() for part in parts)
