"""What in the tree could run code that came as data: pickles, shells, evaluated text, remote code.

By the syntax trees of all Python files, names followed through their imports. What is known and
harmless stands in ALLOWED, each with its reason; anything else is a finding.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

# Folders of the root that are not the project's own, as .gitignore has them.
_NOT_OURS: Final = frozenset({"weights", "build", "dist", "data"})
# Modules whose loading runs code.
_MODULES: Final = frozenset(
    {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
)
# Calls that run text, a shell, or whatever a server sends.
_CALLS: Final = frozenset(
    {
        "eval",
        "exec",
        "compile",
        "__import__",
        "os.system",
        "os.popen",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "runpy.run_path",
        "runpy.run_module",
        "code.interact",
        "torch.jit.load",
        "yaml.unsafe_load",
        "yaml.unsafe_load_all",
        "yaml.full_load",
        "yaml.full_load_all",
        "pandas.read_pickle",
        "tarfile.TarFile.extractall",
        "shutil.unpack_archive",
    }
)
_STARTS: Final = ("torch.hub.", "transformers.pipeline", "imp.")
# Names that mean the same whatever they are called on.
_METHODS: Final = frozenset({"extractall", "load_state_dict_from_url", "read_pickle"})
# Imports by name: only where the name is written down there and then.
_BY_NAME: Final = frozenset({"importlib.import_module", "pkgutil.resolve_name"})
# A file without any of these words has none of it; most have none.
_WORDS: Final = (
    *_MODULES,
    *(call.rpartition(".")[2] for call in (*_CALLS - {"compile"}, *_BY_NAME)),
    *_METHODS,
    *("load", "load_all", "hub", "pipeline", "imp", "from_pretrained", "shell"),
    *("allow_pickle", "trust_remote_code"),
)
_MAYBE: Final = re.compile(rf"\b({'|'.join(sorted(_WORDS))})\b|(?<!\bre\.)\bcompile\b")
_SAFE_LOADERS: Final = frozenset({"yaml.SafeLoader", "yaml.CSafeLoader"})


@dataclass(frozen=True)
class Finding:
    """One place.

    Attributes:
        file: from the tree's root, with slashes.
        line: counted from 1.
        what: that stands there, such as `torch.load without weights_only=True`.
    """

    file: str
    line: int
    what: str


_LOADER: Final = "LOADER of tests/deploy/cluster.py is yaml.SafeLoader, or its twin in C"
# By file: what is found there, and why it is harmless.
ALLOWED: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "export/pawfect_export/build.py": {
            "importlib.import_module by a variable": "the builders' own table names it"
        },
        "pawfect/judges/exchange.py": {
            "importlib.import_module by a variable": "a constant of that file"
        },
        "pawfect/judges/gemini.py": {
            "importlib.import_module by a variable": "a constant of that file"
        },
        "pawfect/judges/serving.py": {
            "pkgutil.resolve_name by a variable": "a constant table of that file, by a known name"
        },
        "pawfect/serving.py": {
            "pkgutil.resolve_name by a variable": "the registry of models, pawfect/models.py"
        },
        "pawfect_triton/orchestrator_model.py": {
            "pkgutil.resolve_name by a variable": "the registry of models, pawfect/models.py"
        },
        "perf/audit/__main__.py": {
            "importlib.import_module by a variable": "packages that the command needs, written down"
        },
        "tests/client/test_failures.py": {"import pickle": "errors survive their own pickling"},
        "tests/deploy/cluster.py": {"yaml.load_all without a safe loader": _LOADER},
        "tests/deploy/scraped.py": {"yaml.load without a safe loader": _LOADER},
        "tests/deploy/test_kubernetes_readme.py": {"yaml.load_all without a safe loader": _LOADER},
        "tests/docs/test_commands.py": {
            "importlib.import_module by a variable": "a constant of that file"
        },
        "tests/fuzz/test_decoders.py": {
            "pkgutil.resolve_name by a variable": "the registry of models, pawfect/models.py"
        },
        "tests/pawfect/contract/test_errors.py": {
            "import pickle": "errors survive their own pickling"
        },
        "tests/pawfect/orchestrator/conftest.py": {"import pickle": "what it keeps is its own"},
        "tests/pawfect/scene/test_sam3_finder.py": {
            "exec": "an oracle: a function of the installed transformers",
            "compile": "an oracle: a function of the installed transformers",
        },
        "tests/pawfect/weights/test_checkpoint.py": {
            "import pickle": "makes hostile files, which are refused"
        },
        "tests/pawfect/weights/test_damaged_parts.py": {
            "import pickle": "makes hostile files, which are refused"
        },
        "tests/perf/release/test_wheel.py": {"extractall": "the archive that the test built"},
    }
)


def scan(root: Path) -> list[Finding]:
    """Return what is found in a tree's Python files, but for ALLOWED.

    Raises:
        SyntaxError: a file is no Python.
    """
    found: list[Finding] = []
    for path in python_files(root):
        file = path.relative_to(root).as_posix()
        allowed = ALLOWED.get(file, {})
        text = path.read_text("utf-8")
        found += [one for one in findings(text, file) if one.what not in allowed]
    return found


def python_files(root: Path) -> Iterator[Path]:
    """Yield the tree's own Python files, in order."""
    for folder, names, files in os.walk(root):
        other = {"node_modules", *(_NOT_OURS if Path(folder) == root else ())}
        names[:] = sorted(name for name in names if name[0] != "." and name not in other)
        yield from (Path(folder) / name for name in sorted(files) if name.endswith(".py"))


def findings(text: str, file: str) -> Iterator[Finding]:
    """Yield what is found in one file, ALLOWED or not."""
    if not _MAYBE.search(text):
        return
    tree = ast.parse(text)
    names = _imported(tree)
    ours = not file.startswith(("tests/", "perf/"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for module in _modules(node):
                if module.split(".")[0] in _MODULES:
                    yield Finding(file, node.lineno, f"import {module}")
        elif isinstance(node, ast.Call):
            for what in _of_call(node, names, ours=ours):
                yield Finding(file, node.lineno, what)


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""]


def _imported(tree: ast.AST) -> Mapping[str, str]:
    """Return what names that were imported stand for, in full."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    names[alias.asname] = alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _called(node: ast.expr, names: Mapping[str, str]) -> str:
    """Return the full name of what is called; of what is no name, its last part."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_called(node.value, names)}.{node.attr}"
    return ""


def _of_call(node: ast.Call, names: Mapping[str, str], *, ours: bool) -> Iterator[str]:
    called = _called(node.func, names)
    last = called.rpartition(".")[2]
    given = {word.arg: word.value for word in node.keywords if word.arg}
    if called in _CALLS or called.startswith(_STARTS):
        yield called
    elif last in _METHODS and last != called:
        yield last
    if called == "torch.load" and not _is(given.get("weights_only"), True):
        yield "torch.load without weights_only=True"
    if called in ("yaml.load", "yaml.load_all") and not _is_safe(node, given, names):
        yield f"{called} without a safe loader"
    for word in ("allow_pickle", "trust_remote_code"):
        if word in given and not _is(given[word], False):
            yield f"{called} with {word}"
    if "shell" in given and not _is(given["shell"], False):
        yield f"{called} with shell"
    if called in _BY_NAME and not isinstance(node.args[0] if node.args else None, ast.Constant):
        yield f"{called} by a variable"
    # A model's process fetches nothing, and takes no code that lies beside its weights.
    if ours and last == "from_pretrained" and not _is(given.get("local_files_only"), True):
        yield "from_pretrained without local_files_only=True"


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_safe(node: ast.Call, given: Mapping[str, ast.expr], names: Mapping[str, str]) -> bool:
    loader = given.get("Loader") or (node.args[1] if len(node.args) > 1 else None)
    return loader is not None and _called(loader, names) in _SAFE_LOADERS
