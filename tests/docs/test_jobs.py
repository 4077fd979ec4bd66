"""The pages' commands over HTTP: API and worker started as the pages say, on the suite's server."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from harness.process import PAWFECT, LoggedProcess
from tests.conftest import free_ports
from tests.docs.examples import pawfect, put, shell
from tests.docs.pages import find, runs
from tests.server.conftest import until

pytestmark = pytest.mark.slow
LISTENS = '"message": "listening"'


@pytest.fixture(scope="module")
def sessions(server, tmp_path_factory) -> Iterator[str]:
    """API and worker as `make sessions` starts them, but for the server, which is the suite's."""
    folder = tmp_path_factory.mktemp("sessions")
    (port,) = free_ports(1)
    command = [PAWFECT, "api", "--no-auth", "--with-worker", "--port", str(port)]
    command += ["--triton", server.endpoints.grpc, "--rate", "100000/minute"]
    with LoggedProcess(command, folder / "api.log", folder=folder) as api:
        api.wait_for(LISTENS)
        yield f"127.0.0.1:{port}"
        assert api.stop() == 0


@runs("docs/sessions.md", "S=127.0.0.1:8080", whole=True)
def test_a_session_is_queued_followed_fetched_and_cancelled(script, sessions, tmp_path):
    put(tmp_path, "dog.jpg", "hand.png")
    told = shell(script.replace("127.0.0.1:8080", sessions), tmp_path)
    with Image.open(tmp_path / "edited.jpg") as edited, Image.open(tmp_path / "dog.jpg") as photo:
        assert edited.size == photo.size
    assert '"processingStatus":"completed"' in told.replace(" ", "")


@runs("docs/runs.md", "R=127.0.0.1:8080", whole=True)
def test_a_run_gathers_versions_and_says_what_was_made_of_what(script, sessions, tmp_path):
    put(tmp_path, "dog.jpg", "leash.png")
    put(tmp_path, "anna.jpg")
    base, *lines = _whole(script.replace("127.0.0.1:8080", sessions))
    done: dict[str, object] = {}
    number = 0
    for line in lines:
        wanted = line.replace("/ID/", f"/{done.get('runId')}/").replace(
            "/JOB/", f"/{done.get('job')}/"
        )
        if "/swap" in line:
            # The networks that swap faces are no part of the set-up: refused, with what mends it.
            refused = shell(f"{base}\n{wanted} || true", tmp_path)
            assert "pawfect weights" in refused, refused
            continue
        told = shell(f"{base}\n{wanted}", tmp_path)
        if " -F " in line or " -d " in line:
            number += 1
            answer = json.loads(told)
            run = done.setdefault("runId", answer.get("runId"))
            state = completed(f"http://{sessions}/api/v1/runs/{run}", number)
            done["job"] = state["versions"][-1]["jobId"]
    versions = json.loads(told)["versions"]
    assert [one["version"] for one in versions] == [1, 2, 3, 4, 5]
    with Image.open(tmp_path / "out.png") as image, Image.open(tmp_path / "dog.jpg") as photo:
        assert image.size == photo.size


@runs("docs/people-data.md", "curl -o mine.zip", "curl -X DELETE")
def test_a_user_gets_a_copy_of_everything_and_deletes_it(script, sessions, tmp_path):
    put(tmp_path, "dog.jpg", "hand.png")
    user = f"{sessions}/v1/users/owner"
    shell(f"curl -F photo=@dog.jpg -F mask=@hand.png {user}/sessions/s/inpaint", tmp_path)
    shell(f"curl -N {user}/sessions/s/events", tmp_path)
    copied, deleted = script.replace("users/UID", "users/owner").splitlines()
    told = [shell(f"KEY=none API={sessions}\n{line}", tmp_path) for line in (copied, deleted)]
    with zipfile.ZipFile(tmp_path / "mine.zip") as copy:
        assert copy.testzip() is None
        assert "sessions/s/files/edited.jpg" in copy.namelist()
    assert json.loads(told[1])["deleted"]["documents"] == 1
    assert httpx.get(f"http://{user}/sessions/s", trust_env=False).status_code == 404


def _whole(script: str) -> list[str]:
    """The lines of a script, those that a quote holds together as one."""
    found: list[str] = []
    for line in script.splitlines():
        if found and found[-1].count("'") % 2:
            found[-1] += "\n" + line
        else:
            found.append(line)
    return found


def completed(url: str, versions: int) -> dict:
    """The run once so many versions are completed."""
    state: dict = {}

    def over() -> bool:
        nonlocal state
        state = httpx.get(url, trust_env=False).json()
        assert all(one["processingStatus"] != "failed" for one in state["versions"]), state
        return [one["processingStatus"] for one in state["versions"]] == ["completed"] * versions

    until(over, 240)
    return state


@runs(
    "docs/operate.md",
    "pawfect api --store", "pawfect worker --store", "mkdir -p", "import sqlite3", "cp -a",
)  # fmt: skip
def test_what_was_backed_up_while_it_ran_is_all_there_when_it_is_restored(script, server, tmp_path):
    api, worker, *backup = script.splitlines()
    port, metrics, more_metrics, health = free_ports(4)
    for old, new in (("127.0.0.1:8001", server.endpoints.grpc), ("9101", str(metrics)),
                     ("9102", str(more_metrics)), ("8091", str(health))):  # fmt: skip
        api, worker = api.replace(old, new), worker.replace(old, new)
    key = find("docs/operate.md", "--new-api-key").text
    told = pawfect(key, tmp_path).output
    (line,) = re.findall(r"line for --api-keys: (.*)", told)
    (tmp_path / "api-keys").write_text(f"{line}\n")
    (secret,) = re.findall(r"^key .*: (.*)$", told, re.M)
    put(tmp_path, "dog.jpg", "hand.png")
    url = f"127.0.0.1:{port}"
    post = (
        f"curl -H x-api-key:{secret} -F photo=@dog.jpg -F mask=@hand.png "
        f"{url}/v1/users/user1/sessions/s/inpaint\n"
        f"curl -N -H x-api-key:{secret} {url}/v1/users/user1/sessions/s/events"
    )
    fetch = f"curl -H x-api-key:{secret} -o %s {url}/v1/users/user1/sessions/s/files/edited.jpg"
    with started(api, tmp_path, "--port", str(port)), started(worker, tmp_path):
        shell(post, tmp_path)
        for page in (metrics, more_metrics):
            assert "pawfect_" in httpx.get(f"http://127.0.0.1:{page}/metrics", trust_env=False).text
        assert httpx.get(f"http://127.0.0.1:{health}/healthz", trust_env=False).status_code == 200
        shell(fetch % "before.jpg", tmp_path)
        shell("\n".join(backup), tmp_path)
    restored = api.replace("embedded:data", "embedded:backup")
    with started(restored, tmp_path, "--port", str(port)):
        shell(fetch % "after.jpg", tmp_path)
    assert (tmp_path / "after.jpg").read_bytes() == (tmp_path / "before.jpg").read_bytes()


def started(line: str, folder: Path, *more: str) -> LoggedProcess:
    """Start a line of `pawfect`; it listens, or pulls, when this returns."""
    _, name, *words = shlex.split(line)
    log = folder / f"{name}-{len(list(folder.glob('*.log')))}.log"
    running = LoggedProcess([PAWFECT, name, *words, *more], log, folder=folder)
    try:
        running.wait_for(LISTENS if name == "api" else '"message": "pulling"')
    except BaseException:
        running.kill()
        raise
    return running


def test_the_copy_of_a_database_is_refused_where_it_is_none(tmp_path):
    backup = find("docs/operate.md", "import sqlite3").text
    (tmp_path / "data").mkdir()
    (tmp_path / "backup").mkdir()
    (tmp_path / "data/sessions.sqlite3").write_text(
        "no database, but some words of more than a page"
    )
    ended = subprocess.run(["bash", "-c", backup], cwd=tmp_path, capture_output=True, check=False)
    assert ended.returncode != 0
