"""A Dockerfile's steps, run without Docker: a folder stands for the image's root.

COPY obeys .dockerignore; RUN runs in the Dockerfile's shell with the image's variables and none of
the caller's but pip's and the proxies'; the absolute paths that the Dockerfile makes are moved
below the folder. What is made is started as its USER with that folder read-only, where the kernel
lets this process arrange it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import Final

import click

from harness.container.dockerfile import (
    DockerfileError,
    Instruction,
    assignments,
    context_files,
    copied,
    expanded,
    instructions,
    stage_name,
    stage_of,
)

CONTEXT: Final = Path(__file__).resolve().parents[2]
# Paths that steps may make; anything else a step writes to is the machine's own and refused.
MADE: Final = ("/opt/pawfect", "/src", "/weights")
# The caller's variables that a step may need to reach a package index.
PASSED_ON: Final = re.compile(
    r"PIP_.*|NPM_CONFIG_.*|npm_config_.*|(HTTPS?|NO)_PROXY|(https?|no)_proxy"
    r"|SSL_CERT_FILE|NODE_EXTRA_CA_CERTS"
)


# Mounts a folder over itself, read-only, in a space of mounts of its own, and runs the rest.
_READ_ONLY: Final = 'mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"; exec "$@"'


class StepError(RuntimeError):
    """A step that failed."""


@dataclass
class Image:
    """What the steps have made so far.

    Attributes:
        root: the folder that stands for `/`.
        args: build arguments by name.
        environment: of RUN steps and of the entrypoint.
        shell: of RUN steps.
        entrypoint: words.
        command: words.
        healthcheck: words.
        notes: what was not done, for people.
        stages: what the stages before it made, by name.
        user: UID:GID of the entrypoint; empty: the caller's.
    """

    root: Path
    args: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    shell: list[str] = field(default_factory=lambda: ["/bin/sh", "-c"])
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stages: dict[str, Image] = field(default_factory=dict)
    user: str = ""

    def moved(self, text: str) -> str:
        """Return a text whose absolute paths that the image makes lie below its root."""
        for path in MADE:
            text = re.sub(rf"(?<![\w./-]){path}(?![\w-])", f"{self.root}{path}", text)
        return text

    def program(self, name: str) -> str:
        """Return the path of a program that the steps made; StepError where they made none."""
        found = shutil.which(name, path=self.variables()["PATH"])
        if found is None or not found.startswith(str(self.root)):
            raise StepError(f"expected {name} in the image, got {found}")
        return found

    def confined(self, words: Sequence[str]) -> list[str]:
        """Return a command as a container runs it: as USER, the image's files read-only.

        What cannot be arranged is left out and noted: mounts are root's to make, and USER may not
        reach this machine's Python.
        """
        user, _, group = self.user.partition(":")
        read_only = ["unshare", "--mount", "sh", "-ec", _READ_ONLY, str(self.root)]
        as_user = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups",
                   "--no-new-privs", "--bounding-set=-all"]  # fmt: skip
        ways: tuple[tuple[list[str], str], ...] = (
            ([*read_only, *as_user], ""),
            (read_only, f"USER {self.user} is not applied"),
            ([], "USER and a read-only root are not applied"),
        )
        prefix, note = next(way for way in ways if not way[0] or self._works(way[0]))
        if note and note not in self.notes:
            self.notes.append(note)
        return [*prefix, *words]

    def _works(self, prefix: Sequence[str]) -> bool:
        """Say whether the image's Python is found and runs behind a prefix."""
        python = str(self.root / "opt/pawfect/bin/python")
        tried = [*prefix, "sh", "-c", 'test -x "$0" && exec "$0" -c ""', python]
        try:
            return subprocess.run(tried, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    def run(self, words: Sequence[str], what: str, **variables: str) -> str:
        """Run a program that the steps made in the folder `desk`; return what it prints.

        Raises:
            StepError: there is none, or it failed.
        """
        desk = self.root / "desk"
        desk.mkdir(exist_ok=True)
        ended = subprocess.run(
            [self.program(words[0]), *words[1:]],
            cwd=desk,
            env={**self.variables(), **variables},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise StepError(f"{what} failed: {ended.stdout}")
        click.echo(f"{what}: ok")
        return ended.stdout

    def variables(self) -> dict[str, str]:
        """Return what a step's environment holds, its paths moved."""
        own = {name: self.moved(value) for name, value in self.environment.items()}
        passed = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
        return {"HOME": str(self.root), "LANG": "C.UTF-8", **passed, **own}


def build(
    text: str,
    root: Path,
    given: Mapping[str, str],
    name: str = "Dockerfile",
    target: str | None = None,
) -> Image:
    """Run the steps of a Dockerfile, of the target's stage and those that it stands on.

    Args:
        text: the Dockerfile's.
        root: an empty folder that stands for `/`.
        given: build arguments that replace the defaults.
        name: of the file, for what it says.
        target: name of a stage; None: the last one.

    Raises:
        DockerfileError: an instruction that is not understood, or no such stage.
        StepError: a step failed.
    """
    steps = instructions(text)
    first = next((at for at, step in enumerate(steps) if step.name == "FROM"), len(steps))
    image = _bare(root)
    _run_steps(steps[:first], image, given, name)
    stages = _stages(steps[first:])
    wanted = target or next(reversed(stages), "")
    if stages and wanted not in stages:
        raise DockerfileError(f"target: expected one of {', '.join(stages)}, got {wanted}")
    needed = _needed(wanted, stages)
    for stage in (each for each in stages if each in needed):
        of_stage = stages[stage]
        click.echo(f"{name}:{of_stage[0].line}  {of_stage[0].name} {of_stage[0].value}")
        # What the target is made from is one folder that grows; others have folders of their own.
        own = root if stage in _line(wanted, stages) else root / "stages" / stage
        image = _next_stage(image, of_stage[0], own)
        image.stages[stage] = image
        _run_steps(of_stage[1:], image, given, name)
    unknown = sorted(set(given) - set(image.args))
    if unknown:
        raise DockerfileError(
            f"build arguments: expected some of {sorted(image.args)}, got {unknown}"
        )
    return image


def _run_steps(
    steps: Sequence[Instruction], image: Image, given: Mapping[str, str], name: str
) -> None:
    for step in steps:
        click.echo(f"{name}:{step.line}  {step.name} {shorten(step.value, 90)}")
        if step.name == "ARG":
            argument, _, default = step.value.partition("=")
            image.args[argument] = given.get(argument, default)
        else:
            _apply(step, image)


def _stages(steps: Sequence[Instruction]) -> dict[str, list[Instruction]]:
    """Return each stage's steps, its FROM first; one without a name has its number."""
    found: dict[str, list[Instruction]] = {}
    for step in steps:
        if step.name == "FROM":
            found[stage_name(step) or str(len(found))] = []
        found[next(reversed(found))].append(step)
    return found


def _line(stage: str, stages: Mapping[str, Sequence[Instruction]]) -> list[str]:
    """Return a stage, the one that it is made from, and so on."""
    base = stages[stage][0].value.split()[0] if stage in stages else ""
    return [stage, *(_line(base, stages) if base in stages else [])]


def _needed(stage: str, stages: Mapping[str, Sequence[Instruction]]) -> set[str]:
    """Return the stages without which one cannot be made, itself among them."""
    found: set[str] = set()
    waiting = [stage] if stage in stages else []
    while waiting:
        for each in _line(waiting.pop(), stages):
            if each not in found:
                found.add(each)
                lent = {stage_of(step) for step in stages[each] if step.name == "COPY"}
                waiting += sorted(lent & set(stages))
    return found


def _bare(root: Path) -> Image:
    """Return an image with this machine's Python and programs."""
    base = root / "base" / "bin"
    if not base.exists():
        base.mkdir(parents=True)
        # The interpreter itself, not a virtual environment's: the image has no other packages.
        interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        (base / "python3").symlink_to(interpreter)
    return Image(root, environment={"PATH": f"{base}:/usr/local/bin:/usr/bin:/bin"})


def _next_stage(before: Image, step: Instruction, root: Path) -> Image:
    """Return the image of a FROM; what stages before it made stays to be copied from."""
    base = expanded(step.value.split()[0], before.args)
    if base in before.stages:
        return replace(before.stages[base], environment=dict(before.stages[base].environment))
    image = _bare(root)
    image.args, image.notes, image.stages = before.args, before.notes, before.stages
    note = f"{base} is stood in for by what is installed here"
    if note not in image.notes:
        image.notes.append(note)
    return image


def _apply(step: Instruction, image: Image) -> None:
    if step.name == "SHELL":
        image.shell = step.words()
    elif step.name == "ENV":
        image.environment |= assignments(step, {**image.args, **image.environment})
    elif step.name == "COPY":
        _copy(step, image)
    elif step.name == "RUN":
        _run(step, image)
    elif step.name == "WORKDIR":
        (image.root / step.value.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif step.name == "ENTRYPOINT":
        image.entrypoint = step.words()
    elif step.name == "CMD":
        image.command = step.words()
    elif step.name == "HEALTHCHECK":
        words = step.value.partition("CMD")[2].strip()
        image.healthcheck = Instruction(step.name, words, step.line).words()
    elif step.name == "USER":
        image.user = step.value
    elif step.name not in ("LABEL", "EXPOSE", "STOPSIGNAL"):
        raise DockerfileError(f"line {step.line}: {step.name} is not understood here")


def _copy(step: Instruction, image: Image) -> None:
    sources, destination = copied(step)
    into = image.root / destination.lstrip("/")
    if stage := stage_of(step):
        if stage not in image.stages:
            raise DockerfileError(f"line {step.line}: COPY --from={stage}: no such stage")
        for source in sources:
            made = image.stages[stage].root / source.lstrip("/")
            shutil.copytree(made, into, dirs_exist_ok=True)
        return
    for source in sources:
        for name in context_files(CONTEXT, source):
            whole = (CONTEXT / source).is_dir()
            inside = Path(name).relative_to(source) if whole else Path(name).name
            target = into / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CONTEXT / name, target)


def _run(step: Instruction, image: Image) -> None:
    if re.search(r"\bapt(-get)?\b", step.value):
        image.notes.append(f"line {step.line}: a step that calls apt was skipped")
        return
    command, environment = [*image.shell, image.moved(step.value)], image.variables()
    ended = subprocess.run(command, cwd=image.root, env={**image.args, **environment}, check=False)
    if ended.returncode:
        raise StepError(f"line {step.line}: RUN ended with {ended.returncode}")
