"""Readers of files that people and other programs leave: tasks, results, weights, profiles."""

from __future__ import annotations

import functools
import hashlib
import struct
import tempfile
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save

from harness.fuzz.payloads import JSON_TOKENS, TOML_TOKENS, dumped
from harness.fuzz.target import Target
from pawfect.contract.errors import ErrorKind
from pawfect.contract.search_report import Candidate
from pawfect.contract.tables import TableError
from pawfect.onnx.initializers import last_initializer
from pawfect.photo.saving import plain_png
from pawfect.profile import ProfileError, parse_profile
from pawfect.weights.formats import is_pickle, mistaken
from pawfect.weights.lock import LOCK_NAME, LockFile
from pawfect.weights.manifest import parse_manifest
from pawfect_client.folder_results import _entries
from pawfect_client.search.task_folder import METRICS, TaskFolder
from pawfect_client.search.tasks import read_keys, read_tasks
from pawfect_service.api.audits.journal import read_journal
from pawfect_service.variants.changing import _history

_SIZE: Final = (64, 64)


@functools.cache
def _folder() -> Path:
    """Return this process's own folder, which goes with it."""
    held = tempfile.TemporaryDirectory(prefix="pawfect-fuzz-")
    _held.append(held)
    return Path(held.name)


_held: list[tempfile.TemporaryDirectory[str]] = []


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """Return a reader of bytes for one of a file of this name."""

    def of_bytes(data: bytes) -> object:
        path = _folder() / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return read(path)

    return of_bytes


@functools.cache
def _picture() -> bytes:
    return plain_png(np.zeros((64, 64, 3), np.uint8))


def _task_folder(path: Path) -> None:
    """Look for finished candidates and results, as a search that goes on does."""
    (path.parent / "candidate_1_seed7.png").write_bytes(_picture())
    (path.parent / METRICS).write_bytes(path.read_bytes())
    folder = TaskFolder(path.parent)
    folder.finished("r", _SIZE)
    folder.is_complete("r")


def _kept_candidate() -> list[bytes]:
    candidate = Candidate(number=1, phase="global", seed=7, variation="seed")
    known: dict[str, Any] = {
        "request": "r",
        "sha256": hashlib.sha256(_picture()).hexdigest(),
        "box": [0, 0, 64, 64],
        "candidate": candidate.as_json(),
    }
    return dumped(known, {"request": "r", "complete": True})


def _tasks(path: Path) -> None:
    keys = read_keys("character_name=character")
    read_tasks(path, keys)
    read_tasks(path, {}, ())


def _weights(path: Path) -> None:
    is_pickle(path)
    mistaken(path, path.name)


def _graph(path: Path) -> None:
    _weights(path)
    last_initializer(path)


def _safetensors() -> list[bytes]:
    return [
        save({"a": np.zeros((2, 3), np.float32), "b": np.ones(4, np.float16)}, {"format": "pt"})
    ]


def _gguf() -> list[bytes]:
    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    pairs = [
        text(b"general.architecture") + struct.pack("<I", 8) + text(b"flux"),
        text(b"general.alignment") + struct.pack("<II", 4, 32),
        text(b"a") + struct.pack("<IIQ", 9, 4, 3) + bytes(12),
        text(b"b") + struct.pack("<IIQ", 9, 8, 2) + text(b"x") + text(b"yy"),
        text(b"c") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 0, 2) + bytes(2),
    ]
    tensors = text(b"t") + struct.pack("<IQQIQ", 2, 32, 2, 2, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs)) + b"".join(pairs) + tensors
    return [head + bytes(-len(head) % 32 + 36)]


def _onnx() -> list[bytes]:
    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy"
    ]
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:], [weight])
    return [onnx.helper.make_model(graph).SerializeToString()]


def _profile(data: bytes) -> None:
    parse_profile("p", tomllib.loads(data.decode("utf-8", "replace")))


def _manifest(data: bytes) -> None:
    parse_manifest(tomllib.loads(data.decode("utf-8", "replace")))


def _toml(*names: str) -> list[bytes]:
    return [resources.files("pawfect").joinpath(name).read_bytes() for name in names]


_LOCK: Final = {
    "version": 1,
    "entries": {
        "u2netp": {
            "revisions": {"a/b": "0" * 40},
            "files": {
                "u2netp.onnx": {
                    "size": 7,
                    "sha256": "0" * 64,
                    "mtime_ns": 1,
                    "origin": "manifest",
                    "time": "2026-01-01T00:00:00Z",
                }
            },
        }
    },
}
_JOURNAL: Final = b"\n".join(
    dumped(
        {"format": 2, "run": {"cells": [{"identity": "a"}]}},
        {
            "cell": "a",
            "setting": {"steps": 4},
            "seed": 1,
            "status": "ok",
            "reason": "",
            "report": {"total_ms": 5},
            "at": "2026-01-01T00:00:00Z",
        },
    )
)
# What `tomllib` raises besides its own error: of integers of over 4,300 digits, and of depth. Only
# files of the package are read by it without a guard, and they are no input.
_TOMLS: Final = (ValueError, RecursionError)

STORED_FILES: Final = (
    Target(
        "tasks",
        lambda: dumped(
            [{"id": 1, "data": {"init_image_url": "a.png", "mask_image_url": "b.png"}}],
            [{"id": "x", "init_image_url": "https://h/a", "mask_image_url": "m", "hair": "keep"}],
        ),
        _file("tasks.json", _tasks),
        tokens=JSON_TOKENS,
    ),
    Target(
        "task-folder",
        _kept_candidate,
        _file("task_1/candidate_1_seed7.json", _task_folder),
        tokens=JSON_TOKENS,
    ),
    Target(
        "folder-results",
        lambda: dumped({"input": "a.jpg", "request": "r", "error": None}),
        _entries,
        tokens=JSON_TOKENS,
    ),
    Target(
        "audit-journal",
        lambda: [_JOURNAL + b"\n"],
        _file("journal.jsonl", read_journal),
        kinds=(ErrorKind.INTERNAL,),
        tokens=JSON_TOKENS,
    ),
    Target(
        "variants-history",
        lambda: dumped([{"text": 'salt = "s"', "at": 1.0}]),
        _file("v.toml.history", lambda path: _history(path.with_suffix(""))),
        tokens=JSON_TOKENS,
    ),
    Target(
        "weights-lock",
        lambda: dumped(_LOCK),
        _file(LOCK_NAME, lambda path: LockFile(path.parent).read()),
        kinds=(ErrorKind.UNAVAILABLE,),
        tokens=JSON_TOKENS,
    ),
    Target(
        "safetensors",
        _safetensors,
        _file("w.safetensors", _weights),
        tokens=(*JSON_TOKENS, b"\x80\x04", b"PK\x03\x04", b'"data_offsets":[0,', b'"__metadata__"'),
    ),
    Target(
        "gguf",
        _gguf,
        _file("w.gguf", _weights),
        tokens=(
            b"GGUF", struct.pack("<IQ", 9, 2**60), struct.pack("<IIQ", 9, 9, 1) * 2000,
            struct.pack("<Q", 2**63), struct.pack("<I", 0),
        ),
    ),
    Target(
        "onnx",
        _onnx,
        _file("w.onnx", _graph),
        raises=(ValueError,),
        tokens=(b"\x3a", b"\x2a", b"\xff" * 9 + b"\x01", b"\x08\x00", b"\x10\x01", b"\x4a\x00"),
    ),
    Target(
        "profile",
        lambda: _toml("profiles/embedded.toml", "profiles/tiny.toml"),
        _profile,
        raises=(ProfileError, *_TOMLS),
        tokens=TOML_TOKENS,
    ),
    Target(
        "manifest",
        lambda: _toml("weights/manifest.toml"),
        _manifest,
        raises=(TableError, *_TOMLS),
        tokens=TOML_TOKENS,
    ),
)  # fmt: skip
