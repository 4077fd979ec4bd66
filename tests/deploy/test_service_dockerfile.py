"""Dockerfile.service: no more than API and worker need, pinned, and nobody's root."""

from __future__ import annotations

import json
import re

import pytest

from harness.container.dockerfile import (
    Instruction,
    copied,
    expanded,
    ignored,
    instructions,
    stage_name,
    stage_of,
)
from harness.container.image import CONTEXT, MADE
from harness.container.service import DOCKERFILE, LEFT_OUT
from pawfect_service.api.studio.page import FOLDER
from pawfect_service.process.command import api, worker

TEXT = (CONTEXT / DOCKERFILE).read_text()
STEPS = instructions(TEXT)
LOCK = (CONTEXT / "requirements/service.txt").read_text()


def steps(name: str) -> list[Instruction]:
    return [step for step in STEPS if step.name == name]


def test_the_base_is_one_release_of_python_that_the_package_takes():
    defaults = dict(step.value.split("=") for step in steps("ARG"))
    _, *bases = steps("FROM")
    # The stage that builds the wheel, and the image.
    (base,) = {expanded(each.value, defaults).split()[0] for each in bases}
    release = re.fullmatch(r"python:3\.(\d+)\.\d+-slim-[a-z]+", base)
    assert release is not None
    assert int(release[1]) in (11, 12)


def test_the_page_is_built_by_a_node_that_it_takes_and_nothing_else_of_it_comes_along():
    defaults = dict(step.value.split("=") for step in steps("ARG"))
    page, *_ = steps("FROM")
    name = stage_name(page)
    node = re.fullmatch(
        r"node:(\d+)\.(\d+)\.\d+-bookworm-slim AS page", expanded(page.value, defaults)
    )
    assert node is not None
    least = json.loads((CONTEXT / "web/package.json").read_text())["engines"]["node"]
    assert tuple(map(int, node.groups())) >= tuple(map(int, re.findall(r"\d+", least)))
    (brought,) = (step for step in steps("COPY") if stage_of(step) == name)
    built = FOLDER.relative_to(CONTEXT / "service")
    assert copied(brought) == ([f"/src/service/{built}"], f"/src/service/{built}")
    # What a checkout has built by itself stays out.
    patterns = (CONTEXT / ".dockerignore").read_text().splitlines()
    for path in ("web/node_modules/vite/package.json", f"service/{built}/index.html"):
        assert ignored(path, patterns), path
    for path in ("web/package-lock.json", "web/src/main.tsx", "service/pawfect_service/api/app.py"):
        assert not ignored(path, patterns), path


def test_a_volume_for_its_data_may_be_written_by_whoever_it_runs_as():
    (workdir,) = steps("WORKDIR")
    assert f"install -d -m 1777 {workdir.value}/data" in " ".join(s.value for s in steps("RUN"))


def test_api_and_worker_listen_where_the_variable_port_says():
    (entrypoint,), (command,), (exposed,) = steps("ENTRYPOINT"), steps("CMD"), steps("EXPOSE")
    assert entrypoint.words() == ["pawfect"]
    name, *words = command.words()
    assert name == api.name
    (port,) = re.findall(r"PORT=(\d+)", TEXT.split("ENV", 1)[1])
    assert exposed.value == port
    for one, given in ((api, words), (worker, [])):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PORT", "8765")
            assert one.make_context(one.name, list(given)).params["port"] == 8765
    assert api.make_context("api", words).params["host"] == "0.0.0.0"


def test_it_does_not_run_as_root_and_ends_on_sigterm():
    user, *others = steps("USER")
    assert not others
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user.value)
    after = STEPS[STEPS.index(user) + 1 :]
    assert not [step for step in after if step.name in ("RUN", "COPY", "ADD")]
    assert [step.value for step in steps("STOPSIGNAL")] == ["SIGTERM"]


def test_packages_are_the_locks_and_no_model_is_among_them():
    installed = " ; ".join(step.value for step in steps("RUN"))
    for line in re.findall(r"install --no-cache-dir.*?(?=&&|;|$)", installed):
        own = line.split()[2:] == ["--no-deps", "--no-index", "/src/dist/*.whl"]
        assert "--require-hashes" in line or own
    (built,) = (step.value for step in steps("RUN") if " wheel " in step.value)
    assert "--no-build-isolation" in built
    assert not re.search(r"curl|wget|apt", installed)
    locked = set(re.findall(r"^([\w.-]+)==", LOCK, re.M))
    assert {"fastapi", "uvicorn", "tritonclient", "google-cloud-pubsub"} <= locked
    assert not locked & {*LEFT_OUT, "opencv-contrib-python-headless", "diffusers"}


def test_the_lock_has_the_versions_that_are_tested():
    tested = dict(
        re.findall(r"^([\w.-]+)==(\S+)", (CONTEXT / "requirements/perf.txt").read_text(), re.M)
    )
    ours = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.M))
    assert {name: tested.get(name) for name in ours} == ours


def test_only_paths_of_the_image_are_made_and_no_secret_is_copied():
    assert not steps("ADD")
    assert not re.search(r"(?i)token|secret|password|api_?key=", TEXT)
    made = [copied(step)[1] for step in steps("COPY")] + [step.value for step in steps("WORKDIR")]
    made += [word for step in steps("RUN") for word in step.value.split() if word.startswith("/")]
    assert all(path.startswith(MADE) for path in made)


def test_the_healthcheck_asks_this_process_on_its_own_port():
    (check,) = steps("HEALTHCHECK")
    words = Instruction("HEALTHCHECK", check.value.partition("CMD")[2].strip(), 0).words()
    assert words[:2] == ["python", "-c"]
    assert "os.environ['PORT'] + '/healthz'" in words[2]
    (limit,), (asked,) = (
        re.findall(r"--timeout=(\d+)s", check.value),
        re.findall(r"timeout=(\d+)\)", words[2]),
    )
    assert int(asked) < int(limit)
