"""What a command on a page says, held to the program that it calls, without running it."""

from __future__ import annotations

import asyncio
import re
import shlex
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import click
import pytest
import yaml
from packaging.requirements import Requirement

from pawfect.cli import main
from pawfect.profile import profile_names
from pawfect.weights.manifest import manifest
from pawfect_service.api.app import ApiSettings, create_app
from pawfect_service.http.callers import Anybody
from pawfect_service.jobs.contract import JobContract
from pawfect_service.services import open_services
from tests.docs.pages import ROOT, Command

MAKEFILE: Final = (ROOT / "Makefile").read_text("utf-8")
# Where code may name a variable of the environment.
_CODE: Final = ("pawfect", "pawfect_triton", "client", "service", "export")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*=.*")
# Options of Docker that the pages use, with those that take a value.
_DOCKER: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "build": (frozenset(), frozenset({"-f", "-t", "--target"})),
    "run": (
        frozenset({"--read-only", "--rm"}),
        frozenset({"--gpus", "--tmpfs", "-p", "-e", "-v", "--shm-size", "--stop-timeout"}),
    ),
}


class UnheldError(AssertionError):
    """A command that its program would not take, or that nobody knows."""


def check(command: Command, folder: Path) -> None:
    """Raise UnheldError unless each program of a command would take what it is given.

    Args:
        command: of a page.
        folder: an empty one, where files that the command names can be stood in for.
    """
    for words in simple(command.line):
        variables = {}
        while words and _VARIABLE.fullmatch(words[0]):
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
        if not words:
            continue
        _expect(all(map(_is_known, variables)), f"variables that code reads: {list(variables)}")
        program = Path(words[0]).name
        checks = {
            "pawfect": _check_pawfect, "make": _check_make, "pip": _check_pip,
            "docker": _check_docker, "curl": lambda words, folder: _check_curl(command, words),
        }  # fmt: skip
        _expect(program in checks, f"a program that is known here, got {program}")
        checks[program](words[1:], folder)


def simple(line: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of a line."""
    words = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    words.whitespace_split = True
    pending: list[str] = []
    for word in words:
        if set(word) <= set("&|;"):
            yield pending
            pending = []
        else:
            pending.append(word)
    yield pending


def _expect(holds: object, expected: str) -> None:
    if not holds:
        raise UnheldError(f"expected {expected}")


@cache
def _is_known(variable: str) -> bool:
    if not variable.startswith("PAWFECT_"):
        return True
    return any(
        f'"{variable}"' in path.read_text("utf-8")
        for folder in _CODE
        for path in (ROOT / folder).rglob("*.py")
    )


def _check_pawfect(words: list[str], folder: Path) -> None:
    """Have click parse the words, in a folder where the files that they name exist."""
    params = parsed(words, folder)
    if words[:1] == ["weights"]:
        known = {*profile_names(), *manifest()}
        named = [params["name"]] if "name" in params else list(params.get("names", ()))
        _expect(set(named) <= known, f"profiles and entries, got {set(named) - known}")
    if isinstance(profile := params.get("profile"), str):
        _expect(profile in profile_names(), f"a profile, got {profile}")
    if isinstance(matrix := params.get("matrix"), str | Path):
        _expect(Path(matrix).is_file(), f"a matrix, got {matrix}")


def parsed(words: list[str], folder: Path) -> dict[str, object]:
    """Return what the real command reads from the words; nothing where one of them ends it.

    Raises:
        UnheldError: click refuses them.
    """
    rest = list(words)
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        _expect(rest, "a command")
        name = rest.pop(0)
        found = command.get_command(context, name)
        if found is None:
            raise UnheldError(f"expected a command of pawfect, got {name}")
        command, context = found, click.Context(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _stand_in(rest)
        try:
            return dict(command.make_context(command.name, rest).params)
        except click.exceptions.Exit:  # an option that prints and leaves, such as --new-api-key
            return {}
        except click.ClickException as error:
            raise UnheldError(error.format_message()) from None


def _stand_in(words: Iterable[str]) -> None:
    """Make the files and folders that words name."""
    for word in words:
        path = Path(word)
        if word.endswith("/") or word.startswith("build/"):
            path.mkdir(parents=True, exist_ok=True)
        elif re.fullmatch(r"[\w-]+\.(jpg|png|json|onnx|toml)", word) or word == "FILE":
            path.touch()


def _check_make(words: list[str], folder: Path) -> None:
    """Look for the targets among the documented ones, and for who reads the variables."""
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", MAKEFILE, re.M))
    read = set(re.findall(r"\$\((\w+)\)", MAKEFILE)) | set(
        re.findall(r"\$\(if \$\((\w+)", MAKEFILE)
    )
    asked = [word for word in words if "=" not in word]
    _expect(asked, "a target")
    _expect(set(asked) <= targets, f"targets of the Makefile, got {set(asked) - targets}")
    for word in (word for word in words if "=" in word):
        name, _, value = word.partition("=")
        _expect(name in read, f"a variable that the Makefile reads, got {name}")
        if name == "PROFILE":
            _expect(value in profile_names(), f"a profile, got {value}")


def _check_pip(words: list[str], folder: Path) -> None:
    """Look for the extras and the files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    _expect(words[:1] == ["install"], f"pip install, got {words[:1]}")
    rest = iter(words[1:])
    for word in rest:
        if word == "-r":
            name = next(rest)
            _expect((ROOT / name).is_file(), f"a file of requirements, got {name}")
        elif word.startswith("--"):
            _expect(word in ("--no-deps", "--require-hashes"), f"an option known here, got {word}")
        else:
            wanted = Requirement(word)
            _expect(wanted.name == project["name"], f"this project, got {wanted.name}")
            extras = set(project["optional-dependencies"])
            _expect(wanted.extras <= extras, f"extras of {extras}, got {wanted.extras}")


def _check_docker(words: list[str], folder: Path) -> None:
    """Look for the Dockerfile, its target, the file of compose and its services."""
    verb, *rest = words
    if verb == "compose":
        _expect(rest[0] == "-f", "-f FILE first")
        services = yaml.safe_load((ROOT / rest[1]).read_text("utf-8"))["services"]
        known = rest[2:] == ["up", "--build"] or (rest[2] == "logs" and rest[3] in services)
        _expect(known, f"up --build, or logs of {list(services)}, got {rest[2:]}")
        return
    _expect(verb in _DOCKER, f"one of {list(_DOCKER)}, got {verb}")
    flags, valued = _DOCKER[verb]
    options: dict[str, str] = {}
    while rest and rest[0].startswith("-"):
        name, told, value = rest.pop(0).partition("=")
        _expect(name in flags | valued, f"an option known here, got {name}")
        if name in valued:
            options[name] = value if told else rest.pop(0)
    if verb == "build":
        text = (ROOT / options["-f"]).read_text("utf-8")
        _expect(rest == ["."], f"this folder, got {rest}")
        target = options.get("--target")
        _expect(target is None or re.search(rf"^FROM .* AS {target}$", text, re.M), "its target")
    else:
        _expect(rest[0] in ("pawfect", "pawfect-service"), f"an image of ours, got {rest[0]}")
        if rest[1:]:
            parsed(rest[1:], folder)


@cache
def _routes() -> list[tuple[str, re.Pattern[str]]]:
    """Return the methods and paths of the API."""

    async def schema_of(folder: str) -> dict[str, Any]:
        # Of a server that is not asked.
        async with open_services(f"embedded:{folder}", JobContract(), "127.0.0.1:1") as services:
            return create_app(services, ApiSettings((Anybody(),), audits=Path(folder))).openapi()

    with tempfile.TemporaryDirectory() as folder:
        schema = asyncio.run(schema_of(folder))
    return [
        (method.upper(), re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)))
        for path, verbs in schema["paths"].items()
        for method in verbs
    ]


def _check_curl(command: Command, words: list[str]) -> None:
    """Look for the route among the API's, with the variables of the page filled in."""
    text = command.line
    page = "\n".join(
        re.findall(r"^```sh\n(.*?)^```$", (ROOT / command.page).read_text(), re.M | re.S)
    )
    given = dict(re.findall(r"^([A-Z])=\"?([^\"\n]+?)\"?$", page, re.M))
    for _ in given:
        text = re.sub(r"\$([A-Z])\b", lambda found: given.get(found[1], found[0]), text)
    method = re.search(r"-X (\w+)", text)
    sends = re.search(r" -[dF] ", text)
    asked = method[1] if method else "POST" if sends else "GET"
    address = re.search(r"127\.0\.0\.1:8080(/[^\s\"?]*)", text)
    _expect(address, "an address of the API")
    assert address is not None
    there = any(m == asked and path.fullmatch(address[1]) for m, path in _routes())
    _expect(there, f"a route of the API, got {asked} {address[1]}")
