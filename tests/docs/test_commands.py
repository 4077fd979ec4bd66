"""Every shell command on the pages is run by a test, or held to its program: none goes unseen."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from pawfect.cli import main
from tests.deploy import test_kubernetes_readme
from tests.docs.held import HELD
from tests.docs.pages import LANGUAGES, ROOT, RUN, Command, blocks_of, commands, pages, read, split
from tests.docs.programs import MAKEFILE, UnheldError, check

# The modules whose tests run commands.
RUNNERS = ("tests.test_readme", "tests.docs.test_cloud_run", "tests.docs.test_examples",
           "tests.docs.test_jobs")  # fmt: skip


def held() -> list[tuple[Command, str]]:
    return [
        (each, each.line)
        for each in commands()
        if each.line in HELD.get(each.page, {}) and (each.page, each.text) not in run()
    ]


def marks_of(text: str) -> tuple[pytest.MarkDecorator, ...]:
    """`pawfect audit` imports torch to be parsed at all."""
    return (pytest.mark.slow,) if "audit " in text else ()


@cache
def run() -> set[tuple[str, str]]:
    """The commands that tests run: those that a decorator gave them, and the cluster's."""
    for name in RUNNERS:
        importlib.import_module(name)
    cluster = {
        ("deploy/README.md", text)
        for block in test_kubernetes_readme.blocks().values()
        for text in split(block)
    }
    return RUN | cluster


def test_every_command_on_the_pages_is_run_or_held():
    done = run()
    left = [
        f"{each.page}: {each.line}"
        for each in commands()
        if (each.page, each.text) not in done and each.line not in HELD.get(each.page, {})
    ]
    assert left == [], "run each in a test (tests.docs.pages.runs), or hold it (tests/docs/held.py)"
    assert len(commands()) > 100


def test_no_command_is_held_that_is_run_or_on_no_page():
    lines = {(each.page, each.line) for each in commands()}
    done = {(each.page, each.line) for each in commands() if (each.page, each.text) in run()}
    listed = {(page, line) for page, those in HELD.items() for line in those}
    assert listed - lines == set()
    assert listed & done == set()


@pytest.mark.parametrize(
    "command", [pytest.param(c, id=f"{c.page}-{line}", marks=marks_of(line)) for c, line in held()]
)
def test_what_is_not_run_is_what_its_program_takes(command: Command, tmp_path: Path):
    check(command, tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("make nothing", "targets of the Makefile"),
        ("make demo PHOTOGRAPH=x.jpg", "a variable that the Makefile reads"),
        ("make prove PROFILE=t5", "a profile"),
        ("pawfect inpaint photo.jpg mask.png --output filled.jpg", "No such option"),
        ("pawfect paint photo.jpg", "a command of pawfect"),
        ("pawfect weights fetch t5", "profiles and entries"),
        ("pawfect worker --jobs none", "not a valid integer"),
        ("pip install 'pawfect[judge]'", "extras of"),
        ("pip install -r requirements/judges.txt", "a file of requirements"),
        ("pawfect weights list && pip uninstall pawfect", "pip install"),
        ("PAWFECT_PROFIL=tiny pawfect serve", "variables that code reads"),
        ("docker build -f Dockerfile.triton --target tpu -t pawfect .", "its target"),
        ("docker compose -f deploy/compose.yaml logs keys", "logs of"),
        ("docker run pawfect-service api --stores x", "No such option"),
        ("curl 127.0.0.1:8080/v1/users/me/session/s1", "a route of the API"),
        ("curl -X DELETE 127.0.0.1:8080/readyz", "a route of the API"),
        ("rm -r weights", "a program that is known here"),
    ],
)
def test_a_command_that_its_program_would_not_take_is_seen(line: str, says: str, tmp_path: Path):
    with pytest.raises(UnheldError, match=says):
        check(Command("docs/sessions.md", line, line), tmp_path)


def test_shell_stands_under_one_name_so_that_none_is_passed_over():
    for path in pages():
        page = str(path.relative_to(ROOT))
        assert {block.language for block in blocks_of(page)} <= LANGUAGES, page
        assert len(re.findall(r"^ *```", read(page), re.M)) == 2 * len(blocks_of(page)), page


def test_a_block_is_split_into_whole_commands_without_their_comments():
    block = (
        "a 'x # y' # why\n# alone\n\nb \\\n  c  # why\nd '{\n  e}' f#g\n"
        "for x in 1; do\n  h\ndone\npython3 - <<'PY'\n# kept\nPY\ni\n"
    )
    assert list(split(block)) == [
        "a 'x # y'", "b \\\n  c", "d '{\n  e}' f#g", "for x in 1; do\n  h\ndone",
        "python3 - <<'PY'\n# kept\nPY", "i",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="expected a whole command"):
        list(split("echo 'x\n"))


def inline() -> list[tuple[str, str]]:
    """The commands within the pages' sentences."""
    found = []
    for path in pages():
        text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.M | re.S)
        for one in re.findall(r"`([^`]+)`", text):
            found.append((str(path.relative_to(ROOT)), " ".join(one.split())))
    return found


def test_targets_within_sentences_are_the_makefiles():
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.M))
    said = [(page, word) for page, text in inline() if (named := re.match(r"make ([a-z].*)", text))
            for word in named[1].split() if re.fullmatch(r"[a-z0-9-]+", word)]  # fmt: skip
    assert len(said) > 40
    assert [(page, target) for page, target in said if target not in targets] == []


@pytest.mark.parametrize(
    "of_audits", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["most", "audit"]
)
def test_commands_and_options_within_sentences_are_pawfects(of_audits: bool):
    said = [(page, found[1]) for page, text in inline()
            if (found := re.match(r"(?:\.venv/bin/)?pawfect ([a-z].*)", text))]  # fmt: skip
    chosen = [(page, text) for page, text in said if text.startswith("audit") is of_audits]
    assert len(chosen) > (3 if of_audits else 60)
    assert [(page, text) for page, text in chosen if not known(text)] == []


def known(text: str) -> bool:
    """Say whether a command, which may be cut short, names sub-commands and options that exist."""
    command, words = main, text.split()
    while words and hasattr(command, "get_command") and words[0].isalpha():
        found = command.get_command(None, words.pop(0))  # type: ignore[attr-defined, arg-type]
        if found is None:
            return False
        command = found
    options = {option for one in command.params for option in one.opts}
    asked = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return all(option in options or option == "--help" for option in asked)
