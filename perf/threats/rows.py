"""The rows of the threat model: read from rows/*.toml, a file for each surface, and checked."""

from __future__ import annotations

import ast
import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROWS: Final = Path("perf/threats/rows")
_KEYS: Final = ("id", "who", "what", "guard", "file", "remove", "with", "test")
_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PYTEST: Final = ".py"
VITEST: Final = (".test.ts", ".test.tsx")


@dataclass(frozen=True)
class Row:
    """One threat and one guard against it.

    Attributes:
        surface: the file of the row, without `.toml`.
        id: of the row, unique over all surfaces.
        who: who can try it.
        what: what they can try.
        guard: what stops it, in one sentence.
        file: where the guard is, from the root.
        remove: the guard's text, once in that file.
        instead: what stands there without the guard.
        test: FILE::NAME or FILE::CLASS::NAME, which fails without the guard.
    """

    surface: str
    id: str
    who: str
    what: str
    guard: str
    file: str
    remove: str
    instead: str
    test: str

    @property
    def digest(self) -> str:
        """What the row tries, as 12 letters: a result of another removal or test is none of it."""
        tried = "\0".join((self.file, self.remove, self.instead, self.test))
        return hashlib.sha256(tried.encode()).hexdigest()[:12]

    def without_guard(self, text: str) -> str:
        """Return the text of `file` with the guard taken out.

        Raises:
            ValueError: the guard's text is not there exactly once.
        """
        found = text.count(self.remove)
        if found != 1:
            raise ValueError(f"{self.id}: expected `remove` once in {self.file}, got {found}")
        return text.replace(self.remove, self.instead)


def read_rows(root: Path) -> tuple[Row, ...]:
    """Return all rows, in the order of the surfaces' names and of their files.

    Args:
        root: of the tree.

    Raises:
        ValueError: a row whose keys or values are not as they should be, or an id that is there
            twice.
    """
    rows = tuple(
        _row(path.stem, given)
        for path in sorted((root / ROWS).glob("*.toml"))
        for given in tomllib.loads(path.read_text("utf-8"))["row"]
    )
    twice = [name for name, times in Counter(row.id for row in rows).items() if times > 1]
    if twice:
        raise ValueError(f"expected each id once, got {', '.join(twice)} again")
    return rows


def _row(surface: str, given: dict[str, object]) -> Row:
    name = str(given.get("id"))
    if set(given) != set(_KEYS):
        raise ValueError(f"{surface}, {name}: expected the keys {_KEYS}, got {sorted(given)}")
    texts = {key: value for key, value in given.items() if isinstance(value, str)}
    empty = [key for key in _KEYS if key != "with" and not texts.get(key, "").strip()]
    if empty or "with" not in texts or not _ID.fullmatch(name):
        raise ValueError(f"{surface}, {name}: expected texts and an id in kebab-case")
    if texts["remove"] == texts["with"]:
        raise ValueError(f"{surface}, {name}: expected `with` to differ from `remove`")
    return Row(surface, instead=texts.pop("with"), **texts)


def problems(row: Row, root: Path) -> list[str]:
    """Return what is wrong with a row in a tree; empty where nothing is.

    The guard's file and text have to be there, Python has to stay Python without the guard, and
    the test has to exist.
    """
    found = []
    try:
        changed = row.without_guard((root / row.file).read_text("utf-8"))
        if row.file.endswith(".py"):
            ast.parse(changed)
    except OSError:
        found.append(f"{row.id}: expected the file {row.file}, got none")
    except SyntaxError as error:
        found.append(f"{row.id}: {row.file} is no Python without the guard: {error.msg}")
    except ValueError as error:
        found.append(str(error))
    if not has_test(row.test, root):
        found.append(f"{row.id}: expected the test {row.test}, got none")
    return found


def has_test(test: str, root: Path) -> bool:
    """Say whether a test of that id is written down in the tree."""
    file, *names = test.split("::")
    path = root / file
    if not names or not path.is_file():
        return False
    text = path.read_text("utf-8")
    if file.endswith(VITEST):
        return len(names) == 1 and any(f"{q}{names[0]}{q}" in text for q in "\"'`")
    return file.endswith(PYTEST) and _defined(ast.parse(text).body, names)


def _defined(body: Iterable[ast.stmt], names: Sequence[str]) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in body:
        if isinstance(node, kinds) and node.name == names[0]:
            is_class = isinstance(node, ast.ClassDef)
            rest = names[1:]
            return _defined(node.body, rest) if rest else not is_class
    return False
